"""The interface of what prunes weights in place of a scorer, a solver and an allocation."""

from collections.abc import Sequence
from typing import Any, Protocol

from worker.pruning.methods.patterns import BlockPattern, Pattern
from worker.pruning.methods.strategies import Strategy
from worker.pruning.planning.stage_work import LayerWork


class OwnPruning(LayerWork, Protocol):
    """A pruning of weights that takes the place of a scorer, a solver and an allocation."""

    @property
    def pattern(self) -> Pattern:
        """The pattern of `Recipe`."""

    @property
    def measures_blocks(self) -> bool:
        """Whether `patterns` takes how much each block changes the hidden state."""

    def check_rows(self, name: str, inputs: int) -> None:
        """Raise a `PruningError` if the rows of a layer, of ``inputs`` weights, do not fit."""

    def patterns(self, measured: Sequence[Any]) -> tuple[BlockPattern, ...]:
        """Return the pattern of each block, given what was measured of each."""

    def strategy(self, pattern: Pattern) -> Strategy[Any]:
        """Return the strategy that prunes a matrix to this pattern."""
