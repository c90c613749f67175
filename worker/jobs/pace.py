"""How long the rest of a job will take, from how long its blocks have taken."""

import time
from collections.abc import Callable
from statistics import quantiles
from typing import Protocol

from db.scheduling.leases import Eta

FEWEST = 5
"""Of fewer blocks no tenth says anything."""
LATE = 1.4
"""Nine tenths of the jobs in benchmarks/results/plans.md took less, over their plans."""


class Step(Protocol):
    """How far the work is."""

    @property
    def fraction(self) -> float:
        """Share of all the work that is done."""

    @property
    def block(self) -> tuple[int, int, str] | None:
        """Index, total and name of the block just finished."""

    @property
    def resumed_from_block(self) -> int | None:
        """How many blocks an earlier attempt did; said once, by an attempt that goes on."""


class Pace:
    """The blocks that this attempt has done itself; those that it repeats go by far faster."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last: tuple[float, float] | None = None
        self._first_new = 0
        self._spent: list[tuple[float, float]] = []

    def after(self, step: Step) -> Eta | None:
        """Take a step into account; return the seconds left, None while no block is done."""
        now, before = self._clock(), self._last
        self._last = (now, step.fraction)
        self._first_new = step.resumed_from_block or self._first_new
        if before is not None and step.block is not None and step.block[0] >= self._first_new:
            seconds, share = now - before[0], step.fraction - before[1]
            if share > 0:
                self._spent.append((seconds, share))
        return self._left(1 - step.fraction) if self._spent else None

    def _left(self, share: float) -> Eta:
        mean = sum(seconds for seconds, _ in self._spent) / sum(part for _, part in self._spent)
        late = mean * LATE
        if len(self._spent) >= FEWEST:
            paces = [seconds / part for seconds, part in self._spent]
            late = max(mean, quantiles(paces, n=10, method="inclusive")[8])
        return round(mean * share, 1), round(late * share, 1)
