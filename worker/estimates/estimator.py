"""``python -m worker.estimates.estimator``: computes requested estimates, and exits when idle.

This is a process of its own, because estimates need torch, which the control process must not
import. The process exits only after `IDLE_S` seconds without a request, so that it does not import
torch anew for every estimate.
"""

import logging
import time
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from transformers.utils import logging as transformers_logging

from db.access.caller_secrets import read_model_secret
from db.core import redaction
from db.core.session import Sessions, open_sessions
from db.files.fetched_uploads import fetch_uploads
from db.files.stores import open_store, open_uploads
from db.jobs.estimates import EstimateRepository
from db.spec.prune_spec import PruneSpec
from worker.estimates.estimate import estimate
from worker.estimates.load import measured_load
from worker.jobs.problems import problem_of
from worker.priority import ComputeThread
from worker.settings import WorkerSettings
from worker.sources.result_models import outline_result

logger = logging.getLogger(__name__)
IDLE_S = 120.0
POLL_INTERVAL_S = 0.1


def main() -> None:
    """Compute requested estimates; return after ``IDLE_S`` seconds without a request."""
    redaction.install()
    logging.basicConfig(level=logging.WARNING)
    transformers_logging.set_verbosity_error()
    settings = WorkerSettings()
    sessions = open_sessions(settings.database)
    last_request = time.monotonic()
    while time.monotonic() - last_request < IDLE_S:
        if compute_next(sessions, settings):
            last_request = time.monotonic()
        else:
            time.sleep(POLL_INTERVAL_S)


def compute_next(sessions: Sessions, settings: WorkerSettings) -> bool:
    """Compute the oldest pending estimate, if any, and return whether there was one."""
    with sessions() as session:
        estimates = EstimateRepository(session)
        if not estimates.has_pending():  # read without a write lock
            return False
        jobs, running = estimates.timed_jobs(), estimates.running_jobs()
    with sessions.begin() as session:
        claimed = EstimateRepository(session).claim_next()
    if claimed is None:
        return False
    spec = PruneSpec.model_validate(claimed.spec)
    try:
        fetch_uploads(sessions, open_uploads(settings), spec)
        used_by = f"estimate {claimed.id}"
        secret = read_model_secret(sessions, settings, spec, claimed.created_by, used_by)
        with (
            TemporaryDirectory(prefix="zpruner-result-") as folder,
            ComputeThread(settings.worker_nice) as thread,
        ):
            started_from = outline_result(sessions, open_store(settings), spec, Path(folder))
            load_of = partial(measured_load, running_jobs=running)
            thread.lower_priority()
            result = thread.run(estimate, spec, settings, jobs, secret, started_from, load_of)
    except Exception as error:  # whatever failed is the problem of this estimate alone
        problem = problem_of(error, spec)
        if problem.status >= 500:
            logger.exception("estimate %s failed", claimed.id)
        with sessions.begin() as session:
            EstimateRepository(session).fail(claimed.id, problem)
    else:
        with sessions.begin() as session:
            EstimateRepository(session).complete(claimed.id, result)
    return True


if __name__ == "__main__":
    main()
