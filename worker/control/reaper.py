"""When the janitor may judge by the clock, and when it has to wait."""

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import select

from db.core.clock import STEP, now
from db.core.session import Sessions
from db.files.artifact_store import ArtifactStore
from worker.control import janitor
from worker.settings import WorkerSettings

log = logging.getLogger(__name__)


class Reaper:
    """Takes back the jobs of silent workers.

    Where the database's clock was set, the machine suspended or the database away, every worker
    seems to have been silent. So after a gap between two turns all of them first get the time to
    renew their leases.
    """

    def __init__(
        self,
        sessions: Sessions,
        store: ArtifactStore,
        settings: WorkerSettings,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sessions, self._store, self._clock = sessions, store, clock
        self._kept = settings.keep_unfinished
        self._patience = settings.lease / 2  # they renew after a quarter of a lease
        self._longest_gap = timedelta(seconds=settings.reap_every_s) + self._patience
        self._last: datetime | None = None
        self._waits_until: float | None = None

    def turn(self) -> int:
        """Look once, and return how many jobs were taken back."""
        if self._has_to_wait(self._read_clock()):
            return 0
        return janitor.reap(self._sessions, self._store, self._kept)

    def _has_to_wait(self, moment: datetime) -> bool:
        last, self._last = self._last, moment
        if self._waits_until is not None:
            is_over = self._clock() >= self._waits_until
            if is_over:  # even where there was a gap again: whoever is dead must not wait for ever
                self._waits_until = None
            return not is_over
        if last is None or -STEP <= moment - last <= self._longest_gap:
            return False
        self._waits_until = self._clock() + self._patience.total_seconds()
        log.warning(
            "the clock went from %s to %s in one turn: no lease is judged for %g s",
            last,
            moment,
            self._patience.total_seconds(),
        )
        return True

    def _read_clock(self) -> datetime:
        with self._sessions() as session:
            return session.scalars(select(now())).one()
