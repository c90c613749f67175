"""Has estimates answered: starts the process that does it, and ends it when it hangs."""

import subprocess
import sys

from db.core.session import Sessions
from db.jobs.estimates import EstimateRepository

COMMAND = (sys.executable, "-P", "-m", "worker.estimates.estimator")


class EstimatorProcess:
    """At most one process at a time, started when somebody has asked."""

    def __init__(self, command: tuple[str, ...] = COMMAND) -> None:
        self._command = command
        self.process: subprocess.Popen[bytes] | None = None

    def tend(self, sessions: Sessions) -> None:
        """Look once whether somebody has asked and whether an answer takes too long."""
        if self.process is not None and self.process.poll() is not None:
            self.process = None
        with sessions() as session:
            if not EstimateRepository(session).has_unfinished():
                return
        with sessions.begin() as session:
            estimates = EstimateRepository(session)
            hangs, is_asked = estimates.fail_overdue(), estimates.has_pending()
        if hangs:
            self.close()
        if is_asked and self.process is None:
            self.process = subprocess.Popen(self._command)  # noqa: S603 - our own command

    def __enter__(self) -> "EstimatorProcess":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None
