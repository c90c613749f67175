"""``python -m worker.estimates.estimator``: answers estimates while there are any, then ends.

A process of its own, because the planner needs torch and the control worker must not hold it; it
stays for a while, because importing torch takes longer than an answer.
"""

import logging
import time

from transformers.utils import logging as transformers_logging

from db.core.parent_death import exit_with_parent
from db.core.session import Sessions, open_sessions
from db.jobs.estimates import EstimateRepository
from db.spec.prune_spec import PruneSpec
from worker.estimates.estimate import estimate
from worker.jobs.problems import problem_of
from worker.priority import lower_priority
from worker.settings import WorkerSettings

log = logging.getLogger(__name__)
IDLE_S = 120.0
LOOK_EVERY_S = 0.1


def main() -> None:
    """Answer until nobody has asked for two minutes."""
    exit_with_parent()
    lower_priority()
    logging.basicConfig(level=logging.WARNING)
    transformers_logging.set_verbosity_error()
    settings = WorkerSettings()
    sessions = open_sessions(settings.database)
    asked = time.monotonic()
    while time.monotonic() - asked < IDLE_S:
        if answer_one(sessions, settings):
            asked = time.monotonic()
        else:
            time.sleep(LOOK_EVERY_S)


def answer_one(sessions: Sessions, settings: WorkerSettings) -> bool:
    """Answer the estimate that has waited longest; whether there was one."""
    with sessions() as session:
        estimates = EstimateRepository(session)
        if not estimates.has_pending():  # looked at without keeping anyone from writing
            return False
        lateness = estimates.time_ratios()
    with sessions.begin() as session:
        taken = EstimateRepository(session).claim_next()
    if taken is None:
        return False
    spec = PruneSpec.model_validate(taken.spec)
    try:
        answer = estimate(spec, settings, lateness)
    except Exception as error:
        problem = problem_of(error, spec)
        if problem.status >= 500:
            log.exception("estimate %s failed", taken.id)
        with sessions.begin() as session:
            EstimateRepository(session).fail(taken.id, problem)
    else:
        with sessions.begin() as session:
            EstimateRepository(session).complete(taken.id, answer)
    return True


if __name__ == "__main__":
    main()
