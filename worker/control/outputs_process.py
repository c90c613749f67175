"""How the control process starts and stops the process that sends results to their outputs."""

from db.core.session import Sessions
from db.outputs.sending import SendingRepository
from db.startup.program import command
from worker.control.on_demand_process import OnDemandProcess

COMMAND = tuple(command("worker.outputs.process"))
GRACE_S = 5.0
"""The time to release the outputs that are being sent, a little more than the process takes."""


class OutputsProcess(OnDemandProcess):
    """At most one outputs process, started when an output is due."""

    def __init__(self, silent_after_s: float, command: tuple[str, ...] = COMMAND) -> None:
        super().__init__(command, grace_s=GRACE_S, silent_after_s=silent_after_s)

    def supervise(self, sessions: Sessions) -> None:
        """Start the process if an output is due; kill it if it is frozen."""
        self.check()
        with sessions() as session:
            is_due = SendingRepository(session).is_due()
        if is_due:
            self.start()
