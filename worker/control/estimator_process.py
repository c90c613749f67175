"""How the control process starts and stops the process that computes estimates."""

import subprocess
import sys

from db.core.session import Sessions
from db.jobs.estimates import EstimateRepository

COMMAND = (sys.executable, "-P", "-m", "worker.estimates.estimator")


class EstimatorProcess:
    """At most one estimator process, started when an estimate is requested."""

    def __init__(self, command: tuple[str, ...] = COMMAND) -> None:
        self._command = command
        self.process: subprocess.Popen[bytes] | None = None

    def supervise(self, sessions: Sessions) -> None:
        """Start the process if an estimate waits for it; kill it if an estimate takes too long."""
        if self.process is not None and self.process.poll() is not None:
            self.process = None
        with sessions() as session:
            if not EstimateRepository(session).has_unfinished():
                return
        with sessions.begin() as session:
            estimates = EstimateRepository(session)
            is_stuck, has_pending = estimates.fail_overdue(), estimates.has_pending()
        if is_stuck:
            self.close()
        if has_pending and self.process is None:
            self.process = subprocess.Popen(  # noqa: S603 - our own command
                self._command,
                start_new_session=True,  # so that it can lower the priority of its session
            )

    def __enter__(self) -> "EstimatorProcess":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Kill the process."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None
