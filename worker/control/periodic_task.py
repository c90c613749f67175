"""Threads that each call one function at regular intervals."""

import logging
import threading
import time
from collections.abc import Callable

logger = logging.getLogger(__name__)
STUCK_AFTER_S = 600.0


class PeriodicTask:
    """Calls ``run`` again and again in its own thread.

    The thread waits ``interval_s`` seconds after each call, measured by the monotonic clock. An
    exception is logged, and the next call is made as usual.
    """

    def __init__(self, name: str, run: Callable[[], object], interval_s: float) -> None:
        self.name, self._call, self._interval_s = name, run, interval_s
        self._call_started: float | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @property
    def is_stuck(self) -> bool:
        """Whether the current call has lasted more than `STUCK_AFTER_S`, and may never return."""
        started = self._call_started
        return started is not None and time.monotonic() - started > STUCK_AFTER_S

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Make no further call."""
        self._stopping.set()

    def join(self, timeout_s: float) -> None:
        """Wait up to ``timeout_s`` seconds for the current call to return."""
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._call_started = time.monotonic()
            try:
                self._call()
            except Exception as error:  # the thread must go on: the next call may succeed
                logger.warning("%s failed: %s", self.name, error, exc_info=not _is_outage(error))
            self._call_started = None
            self._stopping.wait(self._interval_s)


def _is_outage(error: Exception) -> bool:
    """Whether the error is typical of an unavailable database or broker: no traceback needed."""
    names = {kind.__name__ for kind in type(error).__mro__}
    return bool(names & {"OperationalError", "InterfaceError", "OSError"})
