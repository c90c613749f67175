"""Increments: several prunings in a row that together remove what one pruning would remove."""

from dataclasses import dataclass

from worker.pruning.base.errors import IncrementsError


@dataclass(frozen=True)
class Increment:
    """One of several prunings in a row, each of which prunes the result of the one before.

    All of them remove the same number of weights, units or blocks, but for rounding.

    Attributes:
        number: its number, from 1.
        total: how many there are.

    Raises:
        ValueError: the number is not from 1 to the total.
    """

    number: int
    total: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.total:
            raise ValueError(f"number {self.number} is not from 1 to {self.total}")

    @property
    def continues(self) -> bool:
        """Whether the model to prune is the result of an earlier increment."""
        return self.number > 1

    @property
    def share(self) -> float:
        """How much of everything is removed after this increment; exactly 1 after the last."""
        return self.number / self.total

    def reached(self, count: int) -> int:
        """Return how many of ``count`` are done after this increment: all after the last."""
        return count * self.number // self.total

    def reached_before(self, count: int) -> int:
        """Return how many of ``count`` are done before this increment."""
        return count * (self.number - 1) // self.total

    def check_divides(self, count: int, noun: str) -> None:
        """Check that every increment gets at least one of the ``count`` things to remove.

        Raises:
            IncrementsError: there are fewer than increments.
        """
        if self.total > 1 and count < self.total:
            raise IncrementsError(
                f"{count} {noun} cannot be removed in {self.total} steps",
                f"set steps to {max(1, count)} or less",
            )


AT_ONCE = Increment(1, 1)
"""The only increment of a pruning that is not divided."""
