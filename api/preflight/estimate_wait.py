"""Waiting for an estimate, which the planner computes in a separate process."""

import time
from threading import BoundedSemaphore

from api.core.problem_response import ProblemError
from db.core.problem import Problem
from db.core.session import Sessions
from db.jobs.estimates import EstimateRepository
from db.tables.jobs import Estimate

DEFAULT_WAIT_S = 8.0
POLL_EVERY_S = 0.1
WAIT_SLOTS = BoundedSemaphore(8)
"""Limits how many requests wait at once: each occupies a thread that could serve others."""


def wait(sessions: Sessions, row: Estimate, timeout_s: float) -> Estimate:
    """Wait for an estimate; return its row, which is still unfinished if the wait timed out.

    If too many requests are waiting already, return the row at once.

    Raises:
        EstimateNotFoundError: the estimate was deleted meanwhile.
    """
    if not WAIT_SLOTS.acquire(blocking=False):
        return row
    try:
        deadline = time.monotonic() + timeout_s
        while row.finished_at is None and time.monotonic() < deadline:
            time.sleep(POLL_EVERY_S)
            with sessions() as session:
                row = EstimateRepository(session).get(row.id)
        return row
    finally:
        WAIT_SLOTS.release()


def raise_problem(row: Estimate) -> None:
    """Raise an error if the planner has found a problem.

    Raises:
        ProblemError: the planner has found a problem.
    """
    if row.error is not None:
        raise ProblemError(Problem.model_validate(row.error))
