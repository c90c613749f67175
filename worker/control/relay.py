"""The relay: publishes messages for queued jobs whose message was lost or never sent."""

from collections.abc import Callable, Sequence

from db.core.session import Sessions
from db.scheduling.queues import QueueRepository
from db.scheduling.recovery import RecoveryRepository

Publish = Callable[[str, str], object]
"""Publishes a message with a job's id (first argument) to a queue (second argument)."""
MAX_JOBS = 100


def relay(sessions: Sessions, publish: Publish, message_count: Callable[[str], int]) -> int:
    """Publish messages for queued jobs that may have none, and return how many were published.

    These are the jobs that may start now and for which no message was published recently. They are
    marked before the broker is called, so that no database lock is held during that call. If the
    broker fails, a later call of `relay` tries again once the mark is old.

    A worker takes the most urgent job, whichever job the message names. So no message is published
    for a queue that already has as many messages as jobs that may start now.
    """
    with sessions.begin() as session:
        recovery = RecoveryRepository(session)
        waiting = QueueRepository(session).runnable_counts()
        unpushed = {queue: recovery.unpushed(MAX_JOBS, queue) for queue in waiting}
        recovery.mark_pushed([job_id for ids in unpushed.values() for job_id in ids])
    published = 0
    for queue, ids in unpushed.items():
        missing = max(0, waiting[queue] - message_count(queue)) if ids else 0
        for job_id in ids[:missing]:
            publish(job_id, queue)
            published += 1
    return published


def has_work(
    sessions: Sessions, job_id: str, queues: Sequence[str], worker_id: str | None = None
) -> bool:
    """Whether the job has lost its worker, or the worker can run any job in these queues.

    If the worker of this id cannot, because it has too little memory, the job soon gets another
    message, which another worker may receive.
    """
    with sessions() as session:
        if QueueRepository(session).has_runnable(queues, job_id, worker_id):
            return True
    if worker_id is not None:
        with sessions.begin() as session:
            RecoveryRepository(session).push_again(job_id)
    return False
