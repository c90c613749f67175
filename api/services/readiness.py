"""The readiness check: database, artifact store, control process, broker and workers."""

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import TypeVar

from starlette.concurrency import run_in_threadpool

from api.services.broker import Queue
from db.core.session import Sessions
from db.files.artifact_store import ArtifactStore
from db.scheduling.control_heartbeat import HeartbeatRepository
from db.scheduling.workers import WorkerRepository

logger = logging.getLogger(__name__)

CACHED_FOR_S = 2.0
"""How long a positive result is reused: a check may take a second, and anyone may request it."""
NOT_READY_CACHED_FOR_S = 0.2
"""How long a negative result is reused; short, so that clients soon see a service become ready."""

Result = TypeVar("Result")


class NotReadyError(Exception):
    """A part of the service does not respond, or no worker does; the message says which."""


class Readiness:
    """Checks all parts of the service on a thread; for use on one event loop."""

    def __init__(
        self, sessions: Sessions, queue: Queue, store: ArtifactStore, silent_after: timedelta
    ) -> None:
        self._sessions, self._queue, self._store = sessions, queue, store
        self._silent_after = silent_after
        self._lock = asyncio.Lock()
        self._result: list[str] | str = ""
        self._fresh_until = 0.0

    async def workers(self) -> list[str]:
        """Return the names of the workers that take jobs; the result may be two seconds old.

        Raises:
            NotReadyError: a part of the service does not respond, or no worker does.
        """
        async with self._lock:
            if time.monotonic() >= self._fresh_until:
                self._result = await run_in_threadpool(self._check)
                is_ready = not isinstance(self._result, str)
                reused_s = CACHED_FOR_S if is_ready else NOT_READY_CACHED_FOR_S
                self._fresh_until = time.monotonic() + reused_s
            result = self._result
        if isinstance(result, str):
            raise NotReadyError(result)
        return result

    def _check(self) -> list[str] | str:
        try:
            known = _checked("database", self._live_workers)
            _checked("artifact store", self._store.check)
            self._check_control()
            workers = _checked("broker", partial(self._queue.workers, known))
        except NotReadyError as error:
            return str(error)
        return workers or "No worker that takes jobs responds."

    def _check_control(self) -> None:
        silence = _checked("database", self._silence)
        if silence is None:
            raise NotReadyError("The control process has never reported.")
        if abs(silence) > self._silent_after:
            seconds = abs(silence).total_seconds()
            raise NotReadyError(f"The control process has been silent for {seconds:.0f} seconds.")

    def _silence(self) -> timedelta | None:
        with self._sessions() as session:
            return HeartbeatRepository(session).age()

    def _live_workers(self) -> int:
        with self._sessions() as session:
            workers = WorkerRepository(session).all()
        return sum(worker.is_alive for worker in workers)


def _checked(part: str, check: Callable[[], Result]) -> Result:
    try:
        return check()
    except Exception as error:
        # Any exception of a driver means that the part does not respond; its text may name hosts.
        logger.warning("the %s does not respond: %s", part, error)
        raise NotReadyError(f"The {part} does not respond.") from None
