"""What a job would take: asked by a row, answered by a process beside the workers."""

import time
from threading import BoundedSemaphore

from api.problems.handlers import ProblemError
from db.core.problem import Problem
from db.core.session import Sessions
from db.jobs.estimates import EstimateRepository
from db.tables.jobs import Estimate

WAIT_S = 8.0
"""How long a request waits that does not say."""
LOOK_EVERY_S = 0.1
WAITING_ROOM = BoundedSemaphore(8)
"""How many requests may wait at once; each holds a thread that others could read with."""


def wait(sessions: Sessions, row: Estimate, longest_s: float) -> Estimate:
    """Return the row once it is finished, or as it is when the time is over.

    With too many others waiting already it is returned at once.

    Raises:
        EstimateNotFoundError: it was deleted meanwhile.
    """
    if not WAITING_ROOM.acquire(blocking=False):
        return row
    try:
        deadline = time.monotonic() + longest_s
        while row.finished_at is None and time.monotonic() < deadline:
            time.sleep(LOOK_EVERY_S)
            with sessions() as session:
                row = EstimateRepository(session).get(row.id)
        return row
    finally:
        WAITING_ROOM.release()


def refuse(row: Estimate) -> None:
    """Raise the problem that the planner has found, if it has found one.

    Raises:
        ProblemError: it has.
    """
    if row.error is not None:
        raise ProblemError(Problem.model_validate(row.error))
