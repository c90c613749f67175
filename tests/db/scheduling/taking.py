"""The next job of a queue, as a worker takes it."""

from db.core.session import Sessions
from db.scheduling.claims import ClaimRepository
from db.scheduling.queues import QueueRepository


def take(sessions: Sessions, queues: tuple[str, ...] = ("gpu",)) -> str | None:
    with sessions.begin() as session:
        if (job_id := QueueRepository(session).next_job(queues)) is None:
            return None
        job = ClaimRepository(session).claim(job_id, "worker-1", queues=queues)
        return None if job is None else job.id
