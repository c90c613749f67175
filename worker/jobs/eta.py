"""The remaining time of a job, estimated from the duration of its finished blocks and steps."""

import time
from collections.abc import Callable
from statistics import quantiles

from db.core.states import Phase
from db.scheduling.leases import Eta
from worker.jobs.progress import PACKAGED, JobProgress

MIN_DURATIONS = 5
"""With fewer blocks or steps, quantiles of their durations mean nothing."""
P90_FACTOR = 1.4
"""For 9 of 10 jobs in benchmarks/results/plans.md, this factor times the planned time sufficed."""


MEASURED_EVERY_S = 5.0
"""How often the progress of a measurement is reported at most: it is made in very small parts."""
UNKNOWN: Eta = (None, None)


class EtaEstimator:
    """Estimates the remaining time from the duration of the work that this attempt has done.

    Blocks that are known to have been pruned by an earlier attempt do not count, because this
    attempt passes them far faster. During a recovery, only steps of the current stage count:
    blocks, and the steps of other stages, take a different time. In a gradual job all count,
    because all kinds of work are still to come.

    While the model is measured, only that counts. It may take far longer than the blocks did, so
    that the remaining time is unknown until a part of it is done.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, *, is_measured: bool = False
    ) -> None:
        """``is_measured``: whether texts, tasks, speed or rankings come after the blocks."""
        self._clock, self._is_measured = clock, is_measured
        self._is_measuring = False  # since the last update
        self._previous: tuple[float, float] | None = None
        self._first_new_block = 0
        self._stage: str | None = None
        self._step: tuple[int, int] | None = None
        self._durations: list[tuple[float, float]] = []
        """For each block or step, its seconds and its share of all the work."""

    def update(self, progress: JobProgress) -> Eta | None:
        """Return the expected seconds left and their 90th percentile.

        None if they are as unknown as before, and `UNKNOWN` if they no longer are what they were.
        """
        if progress.is_of_measurement and self._is_measured:
            return self._eta_of_measurement(progress)
        self._is_measuring = False
        now, previous = self._clock(), self._previous
        if previous is not None and progress.block is None and progress.fraction == previous[1]:
            return self._eta(1 - progress.fraction) if self._durations else None
        self._previous = (now, progress.fraction)
        if progress.step != self._step:
            self._step, self._first_new_block = progress.step, 0
        self._first_new_block = progress.resumed_from_block or self._first_new_block
        if previous is not None and self._counts(progress):
            seconds, share = now - previous[0], progress.fraction - previous[1]
            if share > 0:
                self._durations.append((seconds, share))
        return self._eta(1 - progress.fraction) if self._durations else None

    def is_due(self, progress: JobProgress) -> bool:
        """Whether more is measured or written, some time after the last report."""
        small = progress.is_of_measurement or progress.phase is Phase.writing
        if not small or self._previous is None:
            return False
        at, fraction = self._previous
        return progress.fraction > fraction and self._clock() - at >= MEASURED_EVERY_S

    def _eta_of_measurement(self, progress: JobProgress) -> Eta:
        now, previous = self._clock(), self._previous
        self._previous = (now, progress.fraction)
        if not self._is_measuring or previous is None:
            self._is_measuring, self._durations = True, []
        elif progress.fraction > previous[1]:
            self._durations.append((now - previous[0], progress.fraction - previous[1]))
        return self._eta(PACKAGED - progress.fraction) if self._durations else UNKNOWN

    def _counts(self, progress: JobProgress) -> bool:
        """Whether the time since the last update is a duration that the estimate uses.

        At the first reported step of a stage of a recovery, the result is False, and all earlier
        durations are dropped, unless the job is gradual.
        """
        if progress.recovery is None:
            return progress.block is not None and progress.block[0] >= self._first_new_block
        stage = str(progress.recovery["stage"])
        if stage == self._stage:
            return True
        self._stage = stage
        if progress.step is None:
            self._durations = []
        return False

    def _eta(self, remaining: float) -> Eta:
        shares = sum(share for _, share in self._durations)
        mean = sum(seconds for seconds, _ in self._durations) / shares
        p90 = mean * P90_FACTOR
        if len(self._durations) >= MIN_DURATIONS:
            rates = [seconds / share for seconds, share in self._durations]
            p90 = max(mean, quantiles(rates, n=10, method="inclusive")[8])
        return round(mean * remaining, 1), round(p90 * remaining, 1)
