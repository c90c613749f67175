"""When a delivery that did not arrive is tried again."""

from collections.abc import Callable
from datetime import timedelta

Chance = Callable[[], float]
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
"""By what share of itself a delay may be shorter or longer, so that what failed together does not
come back together."""


def retry_delay(attempt: int, chance: Chance, wanted: timedelta | None = None) -> timedelta | None:
    """Return how long to wait after a failed attempt; None: it was the last one.

    Args:
        attempt: which one failed, counted from 1.
        chance: where the jitter comes from.
        wanted: what the receiver asked for; it may be longer than ours, but a day at most.
    """
    if attempt >= ATTEMPTS:
        return None
    delay = DELAYS[attempt - 1] * (1 + JITTER * (2 * chance() - 1))
    return delay if wanted is None else max(delay, min(wanted, DELAYS[-1]))
