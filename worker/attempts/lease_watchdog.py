"""The thread beside the work: renews the lease, and ends what does not stop when it should."""

import logging
import threading
import time
from collections.abc import Callable
from contextvars import copy_context
from enum import StrEnum

from sqlalchemy.exc import SQLAlchemyError

from db.core.errors import JobError
from db.core.states import JobState
from worker.attempts.attempt import Attempt
from worker.settings import WorkerSettings

log = logging.getLogger(__name__)
LOOK_EVERY_S = 1.0


class Reason(StrEnum):
    """Why an attempt ends before its work does."""

    lost = "lost"
    cancelled = "cancelled"
    paused = "paused"
    yielded = "yielded"
    overdue = "overdue"


class Stopped(Exception):  # noqa: N818 - an outcome, not an error
    """The attempt should end now."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


class Watch:
    """Watches one attempt; ``with`` it around the work.

    The work stops itself at its next step (``check``). Between steps it may sit in a download or
    a long block, so when the reason's grace is over ``end`` is called from this thread.
    """

    def __init__(
        self,
        attempt: Attempt,
        settings: WorkerSettings,
        stopping: threading.Event,
        end: Callable[[Reason], None],
    ) -> None:
        self._attempt, self._settings = attempt, settings
        self._stopping, self._end = stopping, end
        self._done = threading.Event()
        self._reason: Reason | None = None
        self._deadline = time.monotonic() + settings.job_timeout_s
        self._beat_due = 0.0
        # In this context, so that its lines tell the job, too.
        self._thread = threading.Thread(
            target=copy_context().run, args=(self._run,), name="watch", daemon=True
        )

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def check(self) -> None:
        """Stop the work if there is a reason to.

        Raises:
            Stopped: there is one.
        """
        if self._stopping.is_set() and self._reason is None:
            self._reason = Reason.yielded
        if self._reason is not None:
            raise Stopped(self._reason)

    def _run(self) -> None:
        while self._reason is None and not self._done.wait(LOOK_EVERY_S):
            self._reason = self._look()
        if self._reason is not None and not self._done.wait(self._grace(self._reason)):
            log.warning("job %s did not stop: %s", self._attempt.job_id, self._reason)
            self._end(self._reason)

    def _grace(self, reason: Reason) -> float:
        grace = self._settings
        longer = {Reason.yielded: grace.yield_grace_s, Reason.paused: grace.pause_grace_s}
        return longer.get(reason, grace.cancel_grace_s)

    def _look(self) -> Reason | None:
        if self._stopping.is_set():
            return Reason.yielded
        if time.monotonic() > self._deadline:
            return Reason.overdue
        try:
            return reason_of(self._ask())
        except JobError:
            return Reason.lost
        except SQLAlchemyError as error:
            # A database that restarts is no reason to stop; the fence decides once it is back.
            log.warning("job %s: no heartbeat: %s", self._attempt.job_id, error)
            return None

    def _ask(self) -> JobState:
        """Renew the lease when a quarter of it is over; only read in between."""
        if time.monotonic() < self._beat_due:
            return self._attempt.status()
        status = self._attempt.heartbeat()
        self._beat_due = time.monotonic() + self._settings.lease_s / 4
        return status


def reason_of(status: JobState) -> Reason | None:
    """Return why an attempt at a job in this state should end."""
    if status.is_final and status is not JobState.succeeded:
        return Reason.lost
    return {JobState.cancelling: Reason.cancelled, JobState.pausing: Reason.paused}.get(status)
