"""Celery's messages that wake workers up: one word each, which may get lost."""

from celery import Celery
from celery.loaders.app import AppLoader

from db.core.broker_names import PRUNE_TASK
from worker.pool.celery_options import celery_options
from worker.settings import WorkerSettings


class Messages:
    """The broker as the control process uses it."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._celery = Celery(
            "control", broker=settings.broker, loader=AppLoader, fixups=(), set_as_current=False
        )
        self._celery.conf.update(celery_options(settings))

    def push(self, job_id: str, queue: str) -> None:
        """Send a message about a job to a queue."""
        self._celery.send_task(PRUNE_TASK, kwargs={"job_id": job_id}, queue=queue)

    def waiting(self, queue: str) -> int:
        """Return how many messages lie in a queue."""
        with self._celery.connection_for_write() as connection:
            # Not passively: Redis does not know an empty queue.
            said = connection.default_channel.queue_declare(queue)
        return int(said.message_count)
