"""How the control process starts and stops the process that computes estimates."""

import logging
import socket

from db.core.session import Sessions
from db.jobs.estimates import EstimateRepository
from db.startup.program import command
from worker.control.on_demand_process import OnDemandProcess
from worker.pool.forked_program import ForkedProgram

MODULE = "worker.estimates.estimator"
logger = logging.getLogger(__name__)


class EstimatorProcess(OnDemandProcess):
    """At most one estimator process, started when an estimate is requested.

    Args:
        fork_requests: the socket through which the worker beside this process is asked to fork it
            from a process that has imported torch; None if it is to be spawned.
        spawned: program and arguments of a spawned one.
    """

    def __init__(
        self,
        fork_requests: socket.socket | None = None,
        spawned: tuple[str, ...] = tuple(command(MODULE)),
    ) -> None:
        super().__init__(spawned)
        self._fork_requests, self._was_refused = fork_requests, False

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

    def check(self) -> None:
        """Collect the process if it has ended; after a refusal, the next one is spawned."""
        process = self.process
        super().check()
        if isinstance(process, ForkedProgram) and self.process is None:
            self._was_refused = not process.has_started

    def _start(self) -> None:
        if self._fork_requests is not None and not self._was_refused:
            try:
                self.process = ForkedProgram(self._fork_requests, MODULE)
                return
            except OSError as error:
                logger.warning("the worker cannot be asked to fork the estimator: %s", error)
        self._was_refused = False
        super()._start()
