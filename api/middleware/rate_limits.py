"""Token buckets that limit the rate of requests."""

import math
import time
from dataclasses import dataclass
from pathlib import Path

from api.middleware.bucket_table import BucketTable


@dataclass(frozen=True)
class TakeResult:
    """The result of an attempt to take one token.

    Attributes:
        wait_s: seconds until a token is available; 0 if one was taken.
        left: whole tokens that are left in the bucket.
        full_in_s: seconds until the bucket is full again.
    """

    wait_s: float
    left: int
    full_in_s: float


class TokenBuckets:
    """Token buckets by name; each gets ``per_minute`` tokens a minute and holds at most ``burst``.

    Processes that pass the same ``file`` share the buckets.
    """

    def __init__(self, per_minute: int, burst: int, file: Path | None = None) -> None:
        self.per_minute, self.burst = per_minute, burst
        self._rate = per_minute / 60
        self._table = BucketTable(self._rate, burst, file)

    def take(self, name: str, at: float | None = None) -> TakeResult:
        """Take one token if there is one; ``at`` is a monotonic clock time, by default now."""
        level = self._table.take(name, time.monotonic() if at is None else at)
        wait_s, level = (0.0, level - 1) if level >= 1 else ((1 - level) / self._rate, level)
        return TakeResult(wait_s, int(level), (self.burst - level) / self._rate)

    def headers(self, taken: TakeResult) -> dict[str, str]:
        """Return the rate limit headers of a response."""
        headers = {
            "ratelimit-policy": f"{self.per_minute};w=60;burst={self.burst}",
            "ratelimit-limit": str(self.burst),
            "ratelimit-remaining": str(taken.left),
            "ratelimit-reset": str(math.ceil(taken.full_in_s)),
        }
        return headers | ({"retry-after": str(math.ceil(taken.wait_s))} if taken.wait_s else {})
