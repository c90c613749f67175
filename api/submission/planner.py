"""Jobs that cannot be judged without building their model: the planner's process is asked."""

import time
from collections.abc import Sequence
from datetime import timedelta

from api.submission.estimates import refuse, wait
from db.core.errors import EstimateNotFoundError
from db.core.session import Sessions
from db.jobs.estimates import EstimateRepository
from db.scheduling.control_heartbeat import HeartbeatRepository
from db.spec.prune_spec import PruneSpec
from db.tables.jobs import Estimate

REST_S = 30.0
"""How long a planner that did not answer in time is not waited for again."""
LATER = "The worker will look at it before it begins."


class Planner:
    """Asks the planner, and waits only so long.

    An answer is an estimate, so a job that was estimated before is judged at once.
    """

    def __init__(self, sessions: Sessions, timeout_s: float, silent_after: timedelta) -> None:
        self._sessions, self._timeout_s = sessions, timeout_s
        self._silent_after = silent_after
        self._rests_until = 0.0

    def judge(self, specs: Sequence[PruneSpec], patience_s: float | None = None) -> list[str]:
        """Return what could not be judged, in words for the caller.

        Raises:
            ProblemError: the model cannot be pruned as one of them asks.
        """
        if not specs:
            return []
        if time.monotonic() < self._rests_until:
            return [f"The model was not opened: the planner did not answer a moment ago. {LATER}"]
        if not self._is_there():
            return [f"The model was not opened: no control process is there to do it. {LATER}"]
        limit_s = self._timeout_s if patience_s is None else min(patience_s, self._timeout_s)
        deadline = time.monotonic() + limit_s
        asked = [self._ask(spec) for spec in specs]
        answers = [self._answer(row, is_new, deadline) for row, is_new in asked]
        if all(answers):
            return []
        if time.monotonic() >= deadline:  # otherwise too many others are waiting
            self._rests_until = time.monotonic() + REST_S
        return [f"The model was not opened: the planner gave no answer in time. {LATER}"]

    def _is_there(self) -> bool:
        with self._sessions() as session:
            silence = HeartbeatRepository(session).silence()
        return silence is not None and abs(silence) <= self._silent_after

    def _ask(self, spec: PruneSpec) -> tuple[Estimate, bool]:
        with self._sessions.begin() as session:
            return EstimateRepository(session).ask_once(spec)

    def _answer(self, row: Estimate, is_new: bool, deadline: float) -> bool:
        """Wait for an answer that is no refusal; whether it came.

        A question of one's own stays only with an answer: nobody waits for another one, and a
        refused request leaves nothing behind.
        """
        try:
            row = wait(self._sessions, row, deadline - time.monotonic())
        except EstimateNotFoundError:  # refused, and deleted by whoever asked first
            return False
        if row.answer is not None:
            return True
        if is_new:
            with self._sessions.begin() as session:
                EstimateRepository(session).delete(row.id)
        if row.error is not None and row.error["status"] < 500:
            refuse(row)
        return False
