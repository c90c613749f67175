"""The delays before a failed attempt is repeated."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

RandomSource = Callable[[], float]
"""Returns a number in [0, 1), as ``random.random`` does."""

JITTER = 0.1
"""The relative variation of a delay, so that not everything is retried at the same time."""


@dataclass(frozen=True)
class RetrySchedule:
    """The delays after the first failure, the second and so on, and their relative variation."""

    delays: Sequence[timedelta]
    jitter: float = JITTER

    @property
    def attempts(self) -> int:
        """How many attempts there are."""
        return 1 + len(self.delays)

    @property
    def longest(self) -> timedelta:
        return self.delays[-1]

    def delay(
        self, failures: int, random_source: RandomSource, wanted: timedelta | None = None
    ) -> timedelta | None:
        """Return the delay after a failure; None if there is no further attempt.

        Args:
            failures: the number of failures so far, from 1.
            random_source: the source of the jitter.
            wanted: the delay that the receiver asked for; used, up to the longest of the schedule,
                if it is longer than the regular delay.
        """
        if failures >= self.attempts:
            return None
        delay = self.delays[failures - 1] * (1 + self.jitter * (2 * random_source() - 1))
        return delay if wanted is None else max(delay, min(wanted, self.longest))
