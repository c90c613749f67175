"""What is done again and again, each by a thread of its own, by a clock that nobody can set."""

import logging
import threading
import time
from collections.abc import Callable

log = logging.getLogger(__name__)
STUCK_AFTER_S = 600.0


class Round:
    """One act, called every so many seconds.

    Whatever a call raises is logged, and the next one comes as usual.
    """

    def __init__(self, name: str, act: Callable[[], object], every_s: float) -> None:
        self.name, self._act, self._every_s = name, act, every_s
        self._began: float | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @property
    def is_stuck(self) -> bool:
        """Whether one call has lasted so long that it will hardly come back."""
        began = self._began
        return began is not None and time.monotonic() - began > STUCK_AFTER_S

    def start(self) -> None:
        """Begin with the first call."""
        self._thread.start()

    def stop(self) -> None:
        """Make no further call."""
        self._stopping.set()

    def join(self, timeout_s: float) -> None:
        """Wait for the present call to end."""
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._began = time.monotonic()
            try:
                self._act()
            except Exception as error:
                # Whatever it is, a broker or a database that is away most of all: try again.
                log.warning("%s failed: %s", self.name, error, exc_info=not _is_outage(error))
            self._began = None
            self._stopping.wait(self._every_s)


def _is_outage(error: Exception) -> bool:
    """Whether the database or the broker is away, of which a traceback would say no more."""
    names = {kind.__name__ for kind in type(error).__mro__}
    return bool(names & {"OperationalError", "InterfaceError", "OSError"})
