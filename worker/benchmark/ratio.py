"""The ratio of two figures that were measured in pairs, with an interval."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb
from statistics import median
from typing import Self

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Ratio:
    """The median of the pairs' ratios, and an interval for the true median.

    The interval is between two of the sorted ratios. It assumes no distribution: a new pair has a
    ratio above the true median as often as below, so that the number of pairs above it follows the
    binomial distribution.

    Attributes:
        value: the median.
        low, high: the ends of the interval.
        confidence: the share of such intervals that contain the true median; at least 95 %.
    """

    value: float
    low: float
    high: float
    confidence: float

    @classmethod
    def of(cls, pairs: Sequence[tuple[float, float]]) -> Self:
        """Return the ratio of the second figures to the first.

        Args:
            pairs: pairs of positive figures, at least six: fewer have no interval of 95 %.
        """
        ratios = sorted(second / first for first, second in pairs)
        skipped, confidence = _skipped(len(ratios))
        return cls(median(ratios), ratios[skipped], ratios[-1 - skipped], confidence)

    @property
    def is_above(self) -> bool:
        """Whether the whole interval is above 1."""
        return self.low > 1

    @property
    def is_below(self) -> bool:
        """Whether the whole interval is below 1."""
        return self.high < 1


def _skipped(count: int) -> tuple[int, float]:
    """Return how many ratios the interval leaves out at each end, and its confidence."""
    skipped = -1
    while _covered(count, skipped + 1) >= CONFIDENCE:
        skipped += 1
    if skipped < 0:
        raise ValueError(f"{count} pairs have no interval of {CONFIDENCE:.0%}; measure more")
    return skipped, _covered(count, skipped)


def _covered(count: int, skipped: int) -> float:
    """Return the confidence of the interval that leaves out so many ratios at each end."""
    outside = sum(comb(count, above) for above in range(skipped + 1))
    return 1 - outside / float(2 ** (count - 1))
