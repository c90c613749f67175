"""Publishing of submitted jobs to the message broker.

If a job's message is lost or cannot be published, the control process publishes it later.
"""

import logging
import time
from datetime import timedelta
from typing import Any, Protocol

from celery import Celery
from celery.loaders.app import AppLoader

from db.core.broker_names import GPU_QUEUE, PRUNE_TASK, TRANSPORT_OPTIONS

logger = logging.getLogger(__name__)

PAUSE_AFTER_FAILURE = timedelta(seconds=5)
"""How long to publish nothing after a failure; the control process publishes skipped jobs later."""

CONNECTION_LIMITS = {
    # Without a limit kombu tries to connect to a broker that is down forever, inside the request.
    "max_retries": 0,
    "socket_timeout": 3,
}


class Queue(Protocol):
    """The operations of the message broker that the routes use."""

    def push(self, job_id: str, queue: str = GPU_QUEUE) -> bool:
        """Publish a committed job; return whether that succeeded. Never raises."""
        ...

    def workers(self, expected: int) -> list[str]:
        """Return the names of the workers that take jobs.

        Args:
            expected: how many workers are known; the call ends once so many have responded.

        Raises:
            Exception: the broker does not respond.
        """
        ...

    def close(self) -> None:
        """Close the connections."""
        ...


class Broker:
    """The Celery queue. Tasks are sent by name, so that the API does not import the worker."""

    def __init__(self, url: str) -> None:
        # The default loader and Django's fixup would search the current folder for modules.
        self._celery = Celery("api", broker=url, set_as_current=False, loader=AppLoader, fixups=())
        self._celery.conf.update(
            task_serializer="json",
            accept_content=["json"],
            task_ignore_result=True,
            task_publish_retry=False,  # the control process publishes again
            broker_connection_timeout=3,
            broker_transport_options=TRANSPORT_OPTIONS | CONNECTION_LIMITS,
        )
        self._paused_until = 0.0

    def push(self, job_id: str, queue: str = GPU_QUEUE) -> bool:
        """Publish a committed job; return whether that succeeded. Never raises."""
        if time.monotonic() < self._paused_until:
            return False
        try:
            self._celery.send_task(PRUNE_TASK, kwargs={"job_id": job_id}, queue=queue, retry=False)
        except Exception as error:
            # Any exception of a driver: the row is committed, so the client still gets 201.
            self._paused_until = time.monotonic() + PAUSE_AFTER_FAILURE.total_seconds()
            logger.warning(
                "job %s could not be published, the control process will do so: %s", job_id, error
            )
            return False
        return True

    def workers(self, expected: int) -> list[str]:
        """Return the names of the workers that take jobs, after a second at most.

        Args:
            expected: how many workers are known; the call ends once so many have responded.

        Raises:
            Exception: the broker does not respond.
        """
        queues: dict[str, list[dict[str, Any]]] | None
        queues = self._celery.control.inspect(timeout=1, limit=max(expected, 1)).active_queues()
        return sorted(worker for worker, its_queues in (queues or {}).items() if its_queues)

    def close(self) -> None:
        self._celery.close()
