"""How the control process starts and stops the process that computes estimates."""

import sys

from db.core.session import Sessions
from db.jobs.estimates import EstimateRepository
from worker.control.on_demand_process import OnDemandProcess

COMMAND = (sys.executable, "-P", "-m", "worker.estimates.estimator")


class EstimatorProcess(OnDemandProcess):
    """At most one estimator process, started when an estimate is requested."""

    def __init__(self, command: tuple[str, ...] = COMMAND) -> None:
        super().__init__(command)

    def supervise(self, sessions: Sessions) -> None:
        """Start the process if an estimate waits for it; kill it if an estimate takes too long."""
        self.check()
        with sessions() as session:
            if not EstimateRepository(session).has_unfinished():
                return
        with sessions.begin() as session:
            estimates = EstimateRepository(session)
            is_stuck, has_pending = estimates.fail_overdue(), estimates.has_pending()
        if is_stuck:
            self.kill()
        if has_pending:
            self.start()
