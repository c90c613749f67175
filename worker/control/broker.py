"""The control process's access to the message broker."""

from celery import Celery
from celery.loaders.app import AppLoader

from db.core.broker_names import PRUNE_TASK
from worker.pool.celery_options import celery_options
from worker.settings import WorkerSettings


class Broker:
    """Publishes messages that make workers claim a job; a message may get lost."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._celery = Celery(
            "control", broker=settings.broker, loader=AppLoader, fixups=(), set_as_current=False
        )
        self._celery.conf.update(celery_options(settings))

    def publish(self, job_id: str, queue: str) -> None:
        self._celery.send_task(PRUNE_TASK, kwargs={"job_id": job_id}, queue=queue)

    def message_count(self, queue: str) -> int:
        """Return the number of messages in a queue."""
        with self._celery.connection_for_write() as connection:
            # Not a passive declaration: in Redis, an empty queue does not exist.
            declared = connection.default_channel.queue_declare(queue)
        return int(declared.message_count)
