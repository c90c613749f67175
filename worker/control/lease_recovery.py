"""Lease recovery: requeues the jobs of workers that no longer renew their leases."""

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import select

from db.buckets.errors import BucketError
from db.core.clock import CLOCK_TOLERANCE, now
from db.core.session import Sessions
from db.files.artifact_store import ArtifactStore
from db.jobs.releases import delete_files
from db.scheduling.recovery import RecoveryRepository
from db.scheduling.workers import WorkerRepository
from worker.settings import WorkerSettings

logger = logging.getLogger(__name__)
_CLOCK = select(now())


def recover_leases(sessions: Sessions, store: ArtifactStore, keep_staged: timedelta) -> int:
    """Release every job whose lease has expired, and return how many there were.

    A running job is queued again, or fails if it has lost too many workers. A job that was being
    paused or cancelled becomes paused or cancelled.

    Jobs past their deadline are marked as expired. The staged files of a failed, cancelled or
    expired job are deleted ``keep_staged`` after its end; until then, a retry can resume from them.
    """
    with sessions.begin() as session:
        recovery = RecoveryRepository(session)
        recovery.expire_overdue()
        released = recovery.release_expired()
        WorkerRepository(session).delete_lost()
    for job in released:
        delete_files(store, job)
    try:
        _discard_unneeded(sessions, store, keep_staged)
    except BucketError as error:
        logger.warning("staged files of ended jobs are left for now: %s", error)
    return len(released)


def _discard_unneeded(sessions: Sessions, store: ArtifactStore, keep_staged: timedelta) -> None:
    staged = store.staged_jobs()
    with sessions() as session:
        unneeded = RecoveryRepository(session).no_longer_retryable(staged, keep_staged)
    for job_id in unneeded:
        store.discard_job(job_id)


class LeaseRecovery:
    """Recovers leases, but waits first if the database's clock has jumped since the last call.

    It counts as having jumped if it shows an earlier time than at the last call, or a much later
    one: the clock was set, the machine was suspended, or the database was down. Afterwards, the
    leases of live workers may seem to have expired. No job is released for half the duration of a
    lease, so that these workers can renew their leases.
    """

    def __init__(
        self,
        sessions: Sessions,
        store: ArtifactStore,
        settings: WorkerSettings,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sessions, self._store, self._clock = sessions, store, clock
        self._keep_staged = settings.keep_unfinished
        self._wait = settings.lease / 2  # workers renew a lease before a quarter of it has passed
        self._max_gap = timedelta(seconds=settings.reap_every_s) + self._wait
        self._last: datetime | None = None
        self._waits_until: float | None = None

    def run(self) -> int:
        """Recover leases, and return how many jobs were released; 0 while it has to wait."""
        if self._must_wait(self._read_clock()):
            return 0
        return recover_leases(self._sessions, self._store, self._keep_staged)

    def _must_wait(self, moment: datetime) -> bool:
        last, self._last = self._last, moment
        if self._waits_until is not None:
            is_over = self._clock() >= self._waits_until
            if is_over:  # even after another gap: jobs of lost workers must not wait forever
                self._waits_until = None
            return not is_over
        if last is None or -CLOCK_TOLERANCE <= moment - last <= self._max_gap:
            return False
        self._waits_until = self._clock() + self._wait.total_seconds()
        logger.warning(
            "the database's clock went from %s to %s: no lease is recovered for %g s",
            last,
            moment,
            self._wait.total_seconds(),
        )
        return True

    def _read_clock(self) -> datetime:
        with self._sessions() as session:
            return session.connection().scalars(_CLOCK).one()
