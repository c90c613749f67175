"""Whether everything that a job needs answers: asked now and then, however many want to know."""

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from sqlalchemy import select
from starlette.concurrency import run_in_threadpool

from api.services.broker import Queue
from db.core.session import Sessions
from db.files.artifact_store import ArtifactStore
from db.scheduling.control_heartbeat import HeartbeatRepository
from db.tables.jobs import Job

logger = logging.getLogger(__name__)

KEPT_S = 2.0
"""How long an answer is told again: nobody needs a key to ask, and the workers take a second."""

Answer = TypeVar("Answer")


class NotReadyError(Exception):
    """A part does not answer, or no worker does; the text says which."""


class Readiness:
    """Asks all parts. Lives on an event loop, asks on one of its threads."""

    def __init__(
        self, sessions: Sessions, queue: Queue, store: ArtifactStore, silent_after: timedelta
    ) -> None:
        self._sessions, self._queue, self._store = sessions, queue, store
        self._silent_after = silent_after
        self._lock = asyncio.Lock()
        self._told: list[str] | str = ""
        self._fresh_until = 0.0

    async def workers(self) -> list[str]:
        """Return the workers that take jobs, as of a moment ago.

        Raises:
            NotReadyError: something does not answer.
        """
        async with self._lock:
            if time.monotonic() >= self._fresh_until:
                self._told = await run_in_threadpool(self._ask)
                self._fresh_until = time.monotonic() + KEPT_S
            told = self._told
        if isinstance(told, str):
            raise NotReadyError(told)
        return told

    def _ask(self) -> list[str] | str:
        try:
            _asked("database", self._read)
            _asked("artifact store", self._store.check)
            self._hear_of_control()
            workers = _asked("broker", self._queue.workers)
        except NotReadyError as error:
            return str(error)
        return workers or "No worker that takes jobs answers."

    def _hear_of_control(self) -> None:
        silence = _asked("database", self._silence)
        if silence is None:
            raise NotReadyError("The control process has never been heard of.")
        if abs(silence) > self._silent_after:
            seconds = abs(silence).total_seconds()
            raise NotReadyError(f"The control process has been silent for {seconds:.0f} seconds.")

    def _silence(self) -> timedelta | None:
        with self._sessions() as session:
            return HeartbeatRepository(session).age()

    def _read(self) -> None:
        with self._sessions() as session:
            session.execute(select(Job.id).limit(1))


def _asked(part: str, ask: Callable[[], Answer]) -> Answer:
    try:
        return ask()
    except Exception as error:
        # Whatever its driver raises, the part does not answer; the driver's words may name hosts.
        logger.warning("the %s does not answer: %s", part, error)
        raise NotReadyError(f"The {part} does not answer.") from None
