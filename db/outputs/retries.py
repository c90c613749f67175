"""The delays before a failed attempt to send an output is repeated."""

from collections.abc import Callable
from datetime import timedelta

RandomSource = Callable[[], float]
"""Returns a number in [0, 1), as ``random.random`` does."""

DELAYS = (
    timedelta(seconds=10),
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=15),
    timedelta(hours=1),
    timedelta(hours=3),
    timedelta(hours=6),
)
ATTEMPTS = 1 + len(DELAYS)
JITTER = 0.1
"""The relative variation of a delay, so that not all outputs are retried at the same time."""


def retry_delay(
    failures: int, random_source: RandomSource, wanted: timedelta | None = None
) -> timedelta | None:
    """Return the delay after a failure; None if there is no further attempt.

    Args:
        failures: the number of failures so far, from 1.
        random_source: the source of the jitter.
        wanted: the delay that the target asked for; used, up to the last of `DELAYS`, if it is
            longer than the regular delay.
    """
    if failures >= ATTEMPTS:
        return None
    delay = DELAYS[failures - 1] * (1 + JITTER * (2 * random_source() - 1))
    return delay if wanted is None else max(delay, min(wanted, DELAYS[-1]))
