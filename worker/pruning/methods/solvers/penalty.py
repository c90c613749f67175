"""The penalty of ALPS, which pulls the weights towards sparse weights."""

from dataclasses import dataclass
from typing import Literal

_MUCH, _LITTLE = 0.1, 0.005  # changed entries of the mask, over the kept weights
_LEAST = 1e-4  # below, the pull is lost in fp32 and the dense weights are the answer

Verdict = Literal["continue", "restart", "settled"]


@dataclass(frozen=True)
class Schedule:
    """How fast the penalty ρ rises.

    Attributes:
        first: ρ at the start, for a Gram matrix of unit diagonal.
        rises: the factors by which ρ is multiplied after much, some and little change of the
            support.
        every: steps between two reviews of the support.
        steps: the maximum number of steps after the start, or after a restart.
    """

    first: float
    rises: tuple[float, float, float]
    every: int
    steps: int


PUBLISHED = Schedule(first=0.1, rises=(1.3, 1.2, 1.1), every=3, steps=300)
FAST = Schedule(first=0.3, rises=(1.6, 1.6, 1.6), every=4, steps=16)


class Penalty:
    """The penalty ρ, adapted in each review.

    Args:
        kept_weights: how many weights the mask keeps.
        schedule: how fast ρ rises.

    Attributes:
        rho: the current penalty.
    """

    def __init__(self, kept_weights: int, schedule: Schedule = PUBLISHED) -> None:
        self.kept_weights = kept_weights
        self.rho = schedule.first
        self._rises = schedule.rises
        self._rising = False

    def review(self, changed: int) -> Verdict:
        """Adapt ρ, and return whether the search continues, restarts or is settled.

        Once the mask has changed by more than a few entries, ρ rises in every review until the mask
        stops changing; then the search is settled. As long as the mask has never changed by more
        than a few entries, ρ is taken to be too large: ρ is reduced, and the search restarts if the
        mask has changed at all. The search is also settled if ρ has become too small.

        Args:
            changed: how many entries of the mask have changed since the last review.
        """
        much, some, little = self._rises
        if changed > _LITTLE * self.kept_weights:
            self._rising = True
            self.rho *= much if changed > _MUCH * self.kept_weights else some
        elif self._rising and changed:
            self.rho *= little
        elif self._rising or self.rho < _LEAST:
            return "settled"
        else:
            self.rho /= 5
            return "restart" if changed else "continue"
        return "continue"
