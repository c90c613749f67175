"""Dividing a number of parameters to remove among units of several kinds."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor

_ROUNDING = 1e-9


@dataclass(frozen=True)
class Kind:
    """Units of one kind, such as the heads of a model; a step of several is removed at once.

    Attributes:
        units: how many there are.
        parameters: how many parameters one of them has.
        step: how many are removed at once; divides ``units``.
    """

    units: int
    parameters: float
    step: int = 1

    @property
    def step_parameters(self) -> float:
        """How many parameters a step has."""
        return self.step * self.parameters

    @property
    def most_steps(self) -> int:
        """The most steps that can be removed; one stays."""
        return self.units // self.step - 1

    @property
    def most_parameters(self) -> float:
        """The most parameters that can be removed."""
        return self.most_steps * self.step_parameters


def divide(parameters: float, kinds: Sequence[Kind]) -> list[int]:
    """Return how many units of each kind to remove, so that together they have ``parameters``.

    All kinds lose the same share of their units, rounded to whole steps. The kind with the largest
    steps is rounded first, and the others make up for the difference, so that the sum is met as
    closely as the smallest step allows. At least one step of each kind stays.
    """
    removed, left = [0] * len(kinds), parameters
    whole = sum(kind.units * kind.parameters for kind in kinds)
    most = sum(kind.most_parameters for kind in kinds)
    order = sorted(range(len(kinds)), key=lambda at: kinds[at].step_parameters, reverse=True)
    for at in order:
        kind = kinds[at]
        most -= kind.most_parameters
        steps = _steps(kind, left / whole, left, most)
        removed[at] = min(max(steps, 0), kind.most_steps) * kind.step
        left -= removed[at] * kind.parameters
        whole -= kind.units * kind.parameters
    return removed


def _steps(kind: Kind, share: float, left: float, others: float) -> int:
    """Return how many steps bring a kind nearest to its share.

    What is left then must not be negative, nor more than the others can make up for. If no number
    of steps is such, the nearest one is returned.
    """
    size = kind.step_parameters
    highest, lowest = floor(left / size + _ROUNDING), ceil((left - others) / size - _ROUNDING)
    if lowest > highest:
        beyond, missing = lowest * size - left, left - others - highest * size
        return lowest if beyond < missing else highest
    return min(max(round(share * kind.units / kind.step), lowest), highest)
