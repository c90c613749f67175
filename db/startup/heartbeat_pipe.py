"""How a part of the service tells the supervisor that started it that it is not frozen."""

import os
import threading
import time
from contextlib import suppress

HEARTBEAT_VARIABLE = "SUPERVISOR_BEATS_FD"
"""Names the descriptor of a pipe that the supervisor reads."""


class HeartbeatPipe:
    """The pipe to the supervisor. A process that was started without one tells nobody."""

    def __init__(self) -> None:
        given = os.environ.pop(
            HEARTBEAT_VARIABLE, None
        )  # the processes that this one starts have no pipe
        self._fd = None if given is None else int(given)
        if self._fd is not None:
            os.set_inheritable(self._fd, False)
            os.set_blocking(self._fd, False)

    def beat(self) -> None:
        """Tell the supervisor that this process goes on."""
        if self._fd is not None:
            with suppress(BlockingIOError, BrokenPipeError):  # it is frozen, or gone
                os.write(self._fd, b".")

    def start(self, every_s: float) -> None:
        """Beat from a thread of its own, for as long as the process goes on."""
        if self._fd is not None:
            arguments = (every_s,)
            threading.Thread(target=self._run, args=arguments, name="beats", daemon=True).start()

    def _run(self, every_s: float) -> None:
        while True:
            self.beat()
            time.sleep(every_s)
