"""The measurement that a recipe needs before the first block is pruned."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from worker.pruning.methods.allocation import BlockSparsities, MatrixScores
from worker.pruning.methods.patterns import Unstructured
from worker.pruning.sweep.recipe.recipe import Recipe


@dataclass(frozen=True)
class Measurement:
    """A measurement of the dense model that the recipe needs, such as for an allocation.

    Attributes:
        of_block: returns the measurement of a block, given the scores of its matrices; matrices
            that no token reached are left out. None if how much each block changes the hidden state
            is measured.
        basis: everything that the measurement depends on besides the model and the calibration
            windows, ready for JSON.
    """

    of_block: Callable[[Sequence[MatrixScores]], Any] | None
    basis: list[Any]


def needed_measurement(recipe: Recipe) -> Measurement | None:
    """Return the measurement that the recipe needs; None if it needs none."""
    if recipe.measures_blocks:
        return Measurement(None, ["distance"])
    allocation, pattern = recipe.allocation, recipe.pattern
    if isinstance(allocation, str | BlockSparsities) or not isinstance(pattern, Unstructured):
        return None
    basis = [allocation.basis(pattern), list(recipe.skip)]
    return Measurement(partial(allocation.measure, pattern), basis)
