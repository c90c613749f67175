"""Correcting planned times by those that finished jobs took."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median, quantiles

from db.jobs.estimates import TimedJob
from worker.jobs.eta import P90_FACTOR

MIN_JOBS = 5
"""With fewer jobs of a size than this, quantiles of their times would mean nothing."""
SIZES_S = (10.0, 100.0, 1000.0, 10_000.0)
"""The planned seconds at which the next size of jobs begins. Small jobs take most of their time for
other work than large ones, so that they say nothing about these."""
MOST = 4.0
"""The factor, up and down, that a correction does not exceed. If jobs differ by more, the machine's
speed is wrong, and is measured again."""
CONTRADICTION = 3.0
"""If the median job took so many times as long as planned, or as short, the speed is wrong."""


@dataclass(frozen=True)
class Correction:
    """The factors by which planned seconds are multiplied.

    Attributes:
        p50, p90: the factors for the median and the 90th percentile.
        jobs: the number of finished jobs of the same size from which they were computed.
    """

    p50: float
    p90: float
    jobs: int


NO_CORRECTION = Correction(1.0, P90_FACTOR, 0)
"""In benchmarks/results/plans.md, half of the jobs took less time than planned."""


def correction(planned_s: float, jobs: Sequence[TimedJob]) -> Correction:
    """Return the correction of a planned time by jobs of the same size.

    The factors are the median and the 90th percentile of the jobs' ratios of measured to planned
    time, so that a few jobs that were slowed down or stopped change little.
    """
    size = _size(planned_s)
    ratios = [job.ratio for job in jobs if _size(job.predicted_s) == size]
    if len(ratios) < MIN_JOBS:
        return NO_CORRECTION
    p50 = min(MOST, max(1 / MOST, median(ratios)))
    p90 = quantiles(ratios, n=10, method="inclusive")[8]
    return Correction(p50, min(MOST * p50, max(p50, p90)), len(ratios))


def contradicts(jobs: Sequence[TimedJob]) -> bool:
    """Return whether the last jobs took far longer or shorter than planned, most of them."""
    if len(jobs) < MIN_JOBS:
        return False
    return not 1 / CONTRADICTION <= median(job.ratio for job in jobs) <= CONTRADICTION


def _size(planned_s: float) -> int:
    return sum(planned_s >= limit for limit in SIZES_S)
