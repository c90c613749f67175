"""The requested binarisation of a model."""

from dataclasses import dataclass

from worker.pruning.methods.patterns import NofM

GROUP = 8
"""M of the pattern N:M."""


@dataclass(frozen=True)
class Binarization:
    """How the weights of a model are pruned and binarised.

    Attributes:
        kept: how many of each eight neighbours are kept, the mean over the blocks.
        low, high: the fewest and the most that a block keeps, from 1 to 8.
        group_size: how many neighbours of a row share their values, a multiple of eight.
        salient: the share of each group's columns that are binarised twice.
    """

    kept: float
    low: int
    high: int
    group_size: int = 128
    salient: float = 0.05

    @property
    def is_uniform(self) -> bool:
        """Whether all blocks keep the same number."""
        return self.low == self.high

    @property
    def pattern(self) -> NofM:
        """The pattern of a block that keeps the mean number, rounded."""
        return NofM(round(self.kept), GROUP)

    def salient_columns(self, columns: int) -> int:
        """Return how many of a group's columns are binarised twice."""
        return round(self.salient * columns)
