"""The patterns of a model's blocks, as a recipe spreads its sparsity over them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from worker.pruning.methods.allocation import BlockSparsities
from worker.pruning.methods.patterns import BlockPattern, Unstructured
from worker.pruning.sweep.recipe.recipe import Recipe


def block_patterns(recipe: Recipe, measured: Sequence[Any]) -> tuple[BlockPattern, ...]:
    """Return the pattern of each block after the recipe's increment.

    Args:
        recipe: how the model is pruned.
        measured: the result of the recipe's `Measurement` for each block; None for a block that has
            no result.

    Raises:
        AllocationError: the allocation does not fit the blocks.
    """
    final, share = _final_patterns(recipe, measured), recipe.increment.share
    return final if share == 1 else tuple(pattern.scaled(share) for pattern in final)


def _final_patterns(recipe: Recipe, measured: Sequence[Any]) -> tuple[BlockPattern, ...]:
    """Return the pattern of each block after the last increment."""
    if recipe.own is not None:
        return recipe.own.patterns(measured)
    allocation, pattern = recipe.allocation, recipe.pattern
    if isinstance(allocation, str) or not isinstance(pattern, Unstructured):
        return (BlockPattern(pattern),) * len(measured)
    if isinstance(allocation, BlockSparsities):
        sparsities = allocation.sparsities(len(measured))
        return tuple(BlockPattern(replace(pattern, sparsity=sparsity)) for sparsity in sparsities)
    return allocation.patterns(pattern, measured)
