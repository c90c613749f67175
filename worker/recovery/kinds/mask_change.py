"""How much of a mask has changed in a training."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class MaskChange:
    """At how many places of pruned matrices a mask is no longer the first one.

    Where one weight takes the place of another, two places have moved. Matrices without zeros at
    the start do not count.

    Attributes:
        moved: the places that were kept and are pruned now, or were pruned and are kept now.
        places: all places of the matrices, kept or pruned.
    """

    moved: int = 0
    places: int = 0

    @classmethod
    def between(cls, before: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> "MaskChange":
        """Compare the zeros of a block's parameters; those without a second dimension are left out.

        Args:
            before: the parameters of the pruned block, by name.
            after: its trained parameters, by name.
        """
        change = cls()
        for name, value in after.items():
            zeros = before[name] == 0
            if value.ndim > 1 and bool(zeros.any()):
                moved = int((zeros != (value == 0)).sum())
                change += cls(moved, value.numel())
        return change

    def __add__(self, other: "MaskChange") -> "MaskChange":
        return MaskChange(self.moved + other.moved, self.places + other.places)

    @property
    def share(self) -> float:
        """The share of the places that have moved; 0 if no matrix was pruned."""
        return self.moved / self.places if self.places else 0.0
