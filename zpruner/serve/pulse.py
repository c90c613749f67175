"""What the supervisor hears of a child: beats over a pipe."""

import os
import time
from collections.abc import Callable
from contextlib import suppress

START_WITHIN_S = 180.0
"""Until its first beat a child imports and connects, which takes long on a busy machine."""
COUNTED_S = 1.0
"""What one look adds to a silence at most.

A supervisor that looks late was suspended, or starved, together with the child.
"""


class Pulse:
    """The pipe of one process of a child; it has to be looked at several times a second."""

    def __init__(self, limit_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit_s, self._clock = limit_s, clock
        self._read, self.write = os.pipe()
        os.set_blocking(self._read, False)
        self._has_beaten, self.silent_s, self._looked_at = False, 0.0, clock()

    def is_over(self) -> bool:
        """Look once, and return whether the child has been silent for too long."""
        now, before = self._clock(), self._looked_at
        self._looked_at = now
        if self._has_new_beats():
            self._has_beaten, self.silent_s = True, 0.0
        else:
            self.silent_s += min(now - before, COUNTED_S)
        limit_s = self._limit_s if self._has_beaten else max(self._limit_s, START_WITHIN_S)
        return self.silent_s > limit_s

    def hand_over(self) -> None:
        """Close the end that the child writes to, once it has that."""
        os.close(self.write)

    def close(self) -> None:
        """Hear nothing more."""
        os.close(self._read)

    def _has_new_beats(self) -> bool:
        with suppress(BlockingIOError):
            return bool(os.read(self._read, 65_536))
        return False
