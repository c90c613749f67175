"""The doorbell: one word to the broker, by name, that may get lost."""

import logging
import time
from datetime import timedelta
from typing import Any, Protocol

from celery import Celery
from celery.loaders.app import AppLoader

from db.core.broker_names import GPU_QUEUE, PRUNE_TASK, TRANSPORT_OPTIONS

logger = logging.getLogger(__name__)

REST = timedelta(seconds=5)
"""How long a broker that failed is left alone; the janitor pushes meanwhile."""

IMPATIENT = {
    # Without a limit kombu dials a broker that is down forever, inside the request.
    "max_retries": 0,
    "socket_timeout": 3,
}


class Queue(Protocol):
    """What the routes say to the broker."""

    def push(self, job_id: str, queue: str = GPU_QUEUE) -> bool:
        """Announce a committed job; whether that worked. Never raises."""
        ...

    def workers(self) -> list[str]:
        """Return the workers that take jobs.

        Raises:
            Exception: the broker does not answer.
        """
        ...

    def close(self) -> None:
        """Hang up."""
        ...


class Broker:
    """The real queue: Celery's, spoken to by name, so that the worker's code is not needed."""

    def __init__(self, url: str) -> None:
        # A loader by its name, and Django's fixup, would look for modules in the current folder.
        self._celery = Celery("api", broker=url, set_as_current=False, loader=AppLoader, fixups=())
        self._celery.conf.update(
            task_serializer="json",
            accept_content=["json"],
            task_ignore_result=True,
            task_publish_retry=False,  # the janitor retries; a request never waits
            broker_connection_timeout=3,
            broker_transport_options=TRANSPORT_OPTIONS | IMPATIENT,
        )
        self._rests_until = 0.0

    def push(self, job_id: str, queue: str = GPU_QUEUE) -> bool:
        """Announce a committed job; whether that worked. Never raises."""
        if time.monotonic() < self._rests_until:
            return False
        try:
            self._celery.send_task(PRUNE_TASK, kwargs={"job_id": job_id}, queue=queue, retry=False)
        except Exception as error:
            # Whatever a driver raises: the row is committed, so the caller still gets 201.
            self._rests_until = time.monotonic() + REST.total_seconds()
            logger.warning("job %s waits for the janitor to push it: %s", job_id, error)
            return False
        return True

    def workers(self) -> list[str]:
        """Return the workers that take jobs.

        Raises:
            Exception: the broker does not answer.
        """
        queues: dict[str, list[dict[str, Any]]] | None
        queues = self._celery.control.inspect(timeout=1).active_queues()
        return sorted(worker for worker, its_queues in (queues or {}).items() if its_queues)

    def close(self) -> None:
        """Hang up."""
        self._celery.close()
