"""The delays before a failed delivery is retried."""

from collections.abc import Callable
from datetime import timedelta

RandomSource = Callable[[], float]
"""Returns a number in [0, 1), as ``random.random`` does."""

DELAYS = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
ATTEMPTS = 1 + len(DELAYS)
JITTER = 0.1
"""The relative variation of a delay, so that not all deliveries are retried at the same time."""


def retry_delay(
    attempt: int, random_source: RandomSource, wanted: timedelta | None = None
) -> timedelta | None:
    """Return the delay after a failed attempt; None after the last one.

    Args:
        attempt: the number of the failed attempt, from 1.
        random_source: the source of the jitter.
        wanted: the delay that the receiver asked for; used, up to the last of `DELAYS`, if it is
            longer than the regular delay.
    """
    if attempt >= ATTEMPTS:
        return None
    delay = DELAYS[attempt - 1] * (1 + JITTER * (2 * random_source() - 1))
    return delay if wanted is None else max(delay, min(wanted, DELAYS[-1]))
