"""Heartbeats of a child process to its supervisor, through a pipe."""

import os
import threading
import time
from contextlib import suppress

HEARTBEAT_VARIABLE = "SUPERVISOR_BEATS_FD"
"""The environment variable with the file descriptor of the supervisor's pipe."""


class HeartbeatPipe:
    """Sends heartbeats to the supervisor; does nothing in a process started without a pipe."""

    def __init__(self) -> None:
        value = os.environ.pop(HEARTBEAT_VARIABLE, None)  # child processes get no pipe
        self._fd = None if value is None else int(value)
        if self._fd is not None:
            os.set_inheritable(self._fd, False)
            os.set_blocking(self._fd, False)

    def beat(self) -> None:
        """Write one heartbeat."""
        if self._fd is not None:
            with suppress(
                BlockingIOError, BrokenPipeError
            ):  # the supervisor is frozen or has ended
                os.write(self._fd, b".")

    def start(self, every_s: float) -> None:
        """Write a heartbeat every ``every_s`` seconds, from a daemon thread."""
        if self._fd is not None:
            arguments = (every_s,)
            threading.Thread(
                target=self._run, args=arguments, name="heartbeats", daemon=True
            ).start()

    def _run(self, every_s: float) -> None:
        while True:
            self.beat()
            time.sleep(every_s)
