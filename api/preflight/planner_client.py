"""A client of the planner, the process that builds a job's model to check the job."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from api.core.unchecked import BY_PLANNER, BY_WORKER_AT_START
from api.preflight.estimate_wait import raise_problem, wait
from db.core.errors import EstimateNotFoundError
from db.core.session import Sessions
from db.jobs.estimates import EstimateRepository
from db.scheduling.control_heartbeat import HeartbeatRepository
from db.spec.prune_spec import PruneSpec
from db.tables.jobs import Estimate

BACKOFF_S = 30.0
"""After the planner's check has timed out, requests skip it for this long."""


@dataclass(frozen=True)
class PlannerAnswers:
    """What the planner says of several specifications.

    Attributes:
        warnings: texts for the caller.
        estimates: the estimate of each specification, in order; None where there is none.
    """

    warnings: list[str]
    estimates: list[dict[str, Any] | None]


class PlannerClient:
    """Requests checks from the planner and waits for them up to a timeout.

    The planner responds with an estimate, which is stored. So a job that was estimated less than
    an hour ago is checked at once.
    """

    def __init__(self, sessions: Sessions, timeout_s: float, silent_after: timedelta) -> None:
        self._sessions, self._timeout_s = sessions, timeout_s
        self._silent_after = silent_after
        self._backs_off_until = 0.0

    def check(
        self, specs: Sequence[PruneSpec], key_id: str | None, max_wait_s: float | None = None
    ) -> PlannerAnswers:
        """Let the planner check specifications of jobs of one API key; return warnings, estimates.

        The warnings have what the planner warns of about the jobs' results, and one warning if any
        specification could not be checked.

        Raises:
            ProblemError: the planner refuses one of the specifications.
        """
        none = [None] * len(specs)
        if not specs:
            return PlannerAnswers([], [])
        if not self._is_alive():
            silent = "The model was not checked: no control process is running."
            return PlannerAnswers([f"{silent} {BY_WORKER_AT_START}"], [*none])
        if time.monotonic() < self._backs_off_until:
            for spec in specs:
                self._request(spec, key_id)
            late = "The planner, which checks models, timed out recently."
            return PlannerAnswers([f"{late} {BY_PLANNER}"], [*none])
        limit_s = self._timeout_s if max_wait_s is None else min(max_wait_s, self._timeout_s)
        deadline = time.monotonic() + limit_s
        requested = [self._request(spec, key_id) for spec in specs]
        answers = [self._answer(row, is_new, deadline) for row, is_new in requested]
        checked = [answer for answer in answers if answer is not None]
        own = (warning for answer in checked for warning in answer.get("result_warnings", ()))
        warnings = list(dict.fromkeys(own))
        if len(checked) == len(answers):
            return PlannerAnswers(warnings, answers)
        if time.monotonic() >= deadline:  # otherwise too many other requests are waiting
            self._backs_off_until = time.monotonic() + BACKOFF_S
        unchecked = f"The planner, which checks models, has not answered in time. {BY_PLANNER}"
        return PlannerAnswers([*warnings, unchecked], answers)

    def _is_alive(self) -> bool:
        with self._sessions() as session:
            silence = HeartbeatRepository(session).age()
        return silence is not None and abs(silence) <= self._silent_after

    def _request(self, spec: PruneSpec, key_id: str | None) -> tuple[Estimate, bool]:
        with self._sessions.begin() as session:
            return EstimateRepository(session).find_or_create(spec, key_id)

    def _answer(self, row: Estimate, is_new: bool, deadline: float) -> dict[str, Any] | None:
        """Wait for the planner's response; return the estimate; None if it is none.

        If it is a refusal and this request created the row, delete the row, so that a refused
        request leaves nothing behind. Without a response the row stays, and jobs with this
        specification wait for it (`db.scheduling.pending_checks`).

        Raises:
            ProblemError: the planner refuses the job.
        """
        try:
            row = wait(self._sessions, row, deadline - time.monotonic())
        except EstimateNotFoundError:  # refused, and deleted by the request that created it
            return None
        if row.answer is not None:
            return row.answer
        if is_new and row.finished_at is not None:
            with self._sessions.begin() as session:
                EstimateRepository(session).delete(row.id)
        if row.error is not None and row.error["status"] < 500:
            raise_problem(row)
        return None
