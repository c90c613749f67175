"""Token buckets that limit the rate of requests, in the memory of one process."""

import math
import time
from dataclasses import dataclass

CLEANUP_AT = 10_000
"""Full buckets hold no information. They are deleted at this number of buckets, or at twice the
number that the last cleanup left."""


@dataclass(frozen=True)
class TakeResult:
    """The result of an attempt to take one token.

    Attributes:
        wait_s: seconds until a token is available; 0 if one was taken.
        left: whole tokens in the bucket.
        full_in_s: seconds until the bucket is full again.
    """

    wait_s: float
    left: int
    full_in_s: float


class TokenBuckets:
    """A bucket for each name, which gets ``per_minute`` tokens and holds ``burst`` at most."""

    def __init__(self, per_minute: int, burst: int) -> None:
        self.per_minute, self.burst = per_minute, burst
        self._levels: dict[str, tuple[float, float]] = {}
        self._cleanup_at = CLEANUP_AT

    def take(self, name: str, at: float | None = None) -> TakeResult:
        """Take one token if there is one; ``at`` is a time of the monotonic clock."""
        at, rate = time.monotonic() if at is None else at, self.per_minute / 60
        level, since = self._levels.get(name, (float(self.burst), at))
        level = min(self.burst, level + (at - since) * rate)
        wait = 0.0 if level >= 1 else (1 - level) / rate
        if wait == 0.0:
            level -= 1
        if len(self._levels) >= self._cleanup_at:
            self._delete_full(at, rate)
            self._cleanup_at = max(CLEANUP_AT, 2 * len(self._levels))
        self._levels[name] = (level, at)
        return TakeResult(wait, int(level), (self.burst - level) / rate)

    def headers(self, taken: TakeResult) -> dict[str, str]:
        """Return the rate limit headers of a response."""
        headers = {
            "ratelimit-policy": f"{self.per_minute};w=60;burst={self.burst}",
            "ratelimit-limit": str(self.burst),
            "ratelimit-remaining": str(taken.left),
            "ratelimit-reset": str(math.ceil(taken.full_in_s)),
        }
        return headers | ({"retry-after": str(math.ceil(taken.wait_s))} if taken.wait_s else {})

    def _delete_full(self, at: float, rate: float) -> None:
        self._levels = {
            name: (level, since)
            for name, (level, since) in self._levels.items()
            if level + (at - since) * rate < self.burst
        }
