"""A mean of independent samples, with its standard error."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, stdev

from db.spec.quality_gate import Interval

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A mean of samples that count as independent.

    Attributes:
        value: the mean.
        stderr: its standard error; None of a single sample.
    """

    value: float
    stderr: float | None

    @classmethod
    def of(cls, values: Sequence[float]) -> "Estimate":
        stderr = stdev(values) / math.sqrt(len(values)) if len(values) > 1 else None
        return cls(fmean(values), stderr)

    def interval(self) -> dict[str, float] | None:
        """Return the interval of 95 %, by the normal approximation."""
        if self.stderr is None:
            return None
        return asdict(Interval.of(self.value, self.stderr, CONFIDENCE))
