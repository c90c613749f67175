"""Token buckets: how often somebody may ask. In the memory of one process."""

import math
import time
from dataclasses import dataclass

KEPT = 10_000
"""How many buckets there are, or twice as many as were left the last time, before full ones,
which say nothing, are thrown away."""


@dataclass(frozen=True)
class Taken:
    """What came of asking for one token.

    Attributes:
        wait_s: how long until there is one; 0 if there was.
        full_in_s: how long until the bucket is full again.
    """

    wait_s: float
    left: int
    full_in_s: float


class Buckets:
    """One bucket for each name; ``per_minute`` tokens flow into each, up to ``burst``."""

    def __init__(self, per_minute: int, burst: int) -> None:
        self.per_minute, self.burst = per_minute, burst
        self._levels: dict[str, tuple[float, float]] = {}
        self._look_at = KEPT

    def take(self, name: str, at: float | None = None) -> Taken:
        """Take one token, if there is one; ``at`` is a moment of the monotonic clock."""
        at, rate = time.monotonic() if at is None else at, self.per_minute / 60
        level, since = self._levels.get(name, (float(self.burst), at))
        level = min(self.burst, level + (at - since) * rate)
        wait = 0.0 if level >= 1 else (1 - level) / rate
        if wait == 0.0:
            level -= 1
        if len(self._levels) >= self._look_at:
            self._forget_full(at, rate)
            self._look_at = max(KEPT, 2 * len(self._levels))
        self._levels[name] = (level, at)
        return Taken(wait, int(level), (self.burst - level) / rate)

    def headers(self, taken: Taken) -> dict[str, str]:
        """Return the headers that tell a caller how it stands."""
        told = {
            "ratelimit-policy": f"{self.per_minute};w=60;burst={self.burst}",
            "ratelimit-limit": str(self.burst),
            "ratelimit-remaining": str(taken.left),
            "ratelimit-reset": str(math.ceil(taken.full_in_s)),
        }
        return told | ({"retry-after": str(math.ceil(taken.wait_s))} if taken.wait_s else {})

    def _forget_full(self, at: float, rate: float) -> None:
        self._levels = {
            name: (level, since)
            for name, (level, since) in self._levels.items()
            if level + (at - since) * rate < self.burst
        }
