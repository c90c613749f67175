"""The thread that renews an attempt's lease and ends work that does not stop in time."""

import logging
import math
import threading
import time
from collections.abc import Callable
from contextvars import copy_context
from enum import StrEnum

from sqlalchemy.exc import SQLAlchemyError

from db.core.errors import JobError
from db.core.states import JobState
from db.scheduling.workers import HEARTBEAT_EVERY
from worker.attempts.attempt import Attempt
from worker.attempts.busy_machine import BusyMachine
from worker.settings import WorkerSettings

logger = logging.getLogger(__name__)
POLL_INTERVAL_S = 1.0


class StopReason(StrEnum):
    """Why an attempt ends before its work is finished; of several reasons, the last one counts."""

    yielded = "yielded"
    paused = "paused"
    overdue = "overdue"
    cancelled = "cancelled"
    lost = "lost"


class AttemptStopped(Exception):  # noqa: N818 - not an error
    """The attempt must end now."""

    def __init__(self, reason: StopReason) -> None:
        super().__init__(reason)
        self.reason = reason


class LeaseWatchdog:
    """A context manager that supervises one attempt while its work runs.

    If there is a reason to stop, the work stops at its next call of ``check``. That call may be
    minutes away, for example during a download. Each `StopReason` therefore has a grace
    period. If the work is still running at the end of this period, the watchdog's thread calls
    ``force_end``. Until then it renews the lease, and notices further reasons.
    """

    def __init__(
        self,
        attempt: Attempt,
        settings: WorkerSettings,
        stopping: threading.Event,
        force_end: Callable[[StopReason], None],
    ) -> None:
        self._attempt, self._settings = attempt, settings
        self._stopping, self._force_end = stopping, force_end
        self._machine = BusyMachine(attempt.warn, settings.worker_nice)
        self._done = threading.Event()
        self._reason: StopReason | None = None
        self._stop_by: dict[StopReason, float] = {}
        self._deadline = time.monotonic() + settings.job_timeout_s
        self._renewal_due = 0.0
        # With a copy of this context, the thread's log lines carry the job's id, too.
        self._thread = threading.Thread(
            target=copy_context().run, args=(self._run,), name="lease-watchdog", daemon=True
        )

    def __enter__(self) -> "LeaseWatchdog":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def check(self) -> None:
        """Raise if there is a reason to stop.

        Raises:
            AttemptStopped: there is a reason to stop.
        """
        if self._stopping.is_set() and self._reason is None:
            self._reason = StopReason.yielded
        if self._reason is not None:
            raise AttemptStopped(self._reason)

    def check_continues(self) -> None:
        """Raise if no later attempt will continue at once from this attempt's files.

        Raises:
            AttemptStopped: the job was cancelled or is overdue, or another attempt holds it.
        """
        if self._reason in {StopReason.cancelled, StopReason.overdue, StopReason.lost}:
            raise AttemptStopped(self._reason)

    def _run(self) -> None:
        while not self._done.wait(self._wait_s()):
            if self._reason is not None and self._wait_s() == 0:
                logger.warning("job %s did not stop: %s", self._attempt.job_id, self._reason)
                self._force_end(self._reason)
                return
            self._machine.check()
            if self._reason is not StopReason.lost:
                self._note(self._find_reasons())

    def _wait_s(self) -> float:
        """Return the seconds until the next poll, or until the end of a grace period."""
        left_s = min(self._stop_by.values(), default=math.inf) - time.monotonic()
        return min(POLL_INTERVAL_S, max(0.0, left_s))

    def _note(self, reasons: set[StopReason]) -> None:
        for reason in reasons - self._stop_by.keys():
            self._stop_by[reason] = time.monotonic() + self._grace_s(reason)
        self._reason = max(self._stop_by, key=list(StopReason).index, default=self._reason)

    def _grace_s(self, reason: StopReason) -> float:
        settings = self._settings
        grace = {
            StopReason.yielded: settings.yield_grace_s,
            StopReason.paused: settings.pause_grace_s,
        }
        return grace.get(reason, settings.cancel_grace_s)

    def _find_reasons(self) -> set[StopReason]:
        reasons = set[StopReason]()
        if self._stopping.is_set():
            reasons.add(StopReason.yielded)
        if time.monotonic() > self._deadline:
            reasons.add(StopReason.overdue)
        try:
            if (reason := stop_reason_for(self._renew_or_read())) is not None:
                reasons.add(reason)
        except JobError:
            reasons.add(StopReason.lost)
        except SQLAlchemyError as error:
            # The database may only be restarting. If the lease is lost meanwhile, the next write
            # of this attempt is refused.
            logger.warning("job %s: no heartbeat: %s", self._attempt.job_id, error)
        return reasons

    def _renew_or_read(self) -> JobState:
        """Renew the lease if that is due; otherwise only read the state."""
        if time.monotonic() < self._renewal_due:
            return self._attempt.status()
        status = self._attempt.heartbeat()
        every_s = min(self._settings.lease_s / 4, HEARTBEAT_EVERY.total_seconds())
        self._renewal_due = time.monotonic() + every_s
        return status


def stop_reason_for(status: JobState) -> StopReason | None:
    """Return why an attempt at a job in this state must stop; None if it may go on."""
    if status.is_final and status is not JobState.succeeded:
        return StopReason.lost
    reasons = {JobState.cancelling: StopReason.cancelled, JobState.pausing: StopReason.paused}
    return reasons.get(status)
