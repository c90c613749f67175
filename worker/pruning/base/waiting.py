"""How long a thread waits for a processor, because other threads have them all."""

import time
from pathlib import Path

_COUNTED = Path("/proc/thread-self/schedstat")  # seconds on a processor, and waiting for one


class WaitingClock:
    """Measures which share of the time this thread waits for a processor, from now on."""

    def __init__(self) -> None:
        self._started, self._waited = time.perf_counter(), waited_seconds()

    def share(self) -> float | None:
        """Return the share so far, from 0 to 1; None if the system does not count it."""
        waited, elapsed = waited_seconds(), time.perf_counter() - self._started
        if waited is None or self._waited is None or elapsed <= 0:
            return None
        return min(1.0, max(0.0, waited - self._waited) / elapsed)


def waited_seconds() -> float | None:
    """Return how long this thread could have run, but waited; None if that is not counted."""
    try:
        return int(_COUNTED.read_text().split()[1]) / 1e9
    except (OSError, IndexError, ValueError):  # not Linux, or a kernel that does not count
        return None
