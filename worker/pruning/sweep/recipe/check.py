"""The check that a recipe fits a model, before any work."""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from math import ceil

from worker.pruning.base.errors import (
    PatternError,
    SkipError,
    SparsityError,
    UnsupportedModelError,
)
from worker.pruning.methods.allocation import BlockSparsities
from worker.pruning.methods.patterns import NofM, Unstructured
from worker.pruning.model.linear_layers import LinearLayer, linear_layers
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.sweep.recipe.recipe import Recipe


def check_recipe(recipe: Recipe, meta_model: MetaModel) -> None:
    """Check that the recipe fits the model.

    Raises:
        PatternError: the rows of a layer do not split into groups.
        PruningError: a stage, or what prunes in place of a score, does not fit the model.
        SkipError: a glob matches no part of the model, or no layer is left to prune.
        AllocationError: the number of given sparsities is not the number of blocks.
        SparsityError: no weight would be dropped.
        IncrementsError: an increment would drop no weight.
        UnsupportedModelError: weights would change that are stored in 8 bits.
        UnsupportedModelError, RatioError: as `Recipe.reduction`.
    """
    _check_stored(recipe, meta_model)
    recipe.reduction(meta_model)
    if isinstance(recipe.allocation, BlockSparsities):
        recipe.allocation.sparsities(len(meta_model.blocks))
    check_globs(recipe.skip, meta_model)
    _check_layers(recipe, recipe.all_layers(meta_model))
    model = recipe.staged(meta_model)
    for stage in recipe.stages:
        stage.check(model)


def _check_stored(recipe: Recipe, meta_model: MetaModel) -> None:
    """Check that the matrices of a model with 8-bit floats are copied, as none are written anew."""
    copies = recipe.cuts_blocks and all(stage.copies for stage in recipe.stages)
    if meta_model.checkpoint.is_scaled and not copies:
        raise UnsupportedModelError(
            "its weights are 8-bit floats with scales, which only the removal of experts keeps",
            "give the unquantised model, or set method to experts without refine",
        )


def check_globs(globs: Sequence[str], meta_model: MetaModel) -> None:
    """Check that each glob matches a part of the model: most likely, one that does not is misspelt.

    Raises:
        SkipError: one does not.
    """
    if not globs:
        return
    names = [name for name, _ in meta_model.model.named_modules() if name]
    for index, block in enumerate(meta_model.blocks):
        own = meta_model.block_name(index)
        names += [f"{own}.{layer.name}" for layer in linear_layers(block)]
    for glob in globs:
        if not any(fnmatchcase(name, glob) for name in names):
            first = f"{meta_model.block_name(0)}.{linear_layers(meta_model.blocks[0])[0].name}"
            raise SkipError(
                f"no layer of the model matches {glob!r}", f"layers have names such as {first}"
            )


def _check_layers(recipe: Recipe, layers: Sequence[tuple[str, LinearLayer]]) -> None:
    """Check that there are layers, each with the name of its block, and that the pattern fits."""
    if not layers and recipe.removal is None and not recipe.cuts_blocks:
        raise SkipError(f"skip {', '.join(recipe.skip)} leaves no layer to prune", "skip fewer")
    pattern = recipe.pattern
    if isinstance(pattern, NofM):
        for block, layer in layers:
            _check_groups(recipe, pattern, f"{block}.{layer.name}", layer.inputs)
    elif recipe.prunes:
        _check_counts(recipe, pattern, [layer for _, layer in layers])


def _check_groups(recipe: Recipe, pattern: NofM, name: str, inputs: int) -> None:
    """Check that the rows of a layer, of ``inputs`` weights, split into the pattern's groups."""
    if recipe.own is not None:
        recipe.own.check_rows(name, inputs)
    if inputs % pattern.m == 0:
        return
    rows = f"{name} has rows of {inputs} weights, which do not split into groups of"
    raise PatternError(f"{rows} {pattern.m}", "skip it, or choose another pattern")


def _check_counts(recipe: Recipe, pattern: Unstructured, layers: Sequence[LinearLayer]) -> None:
    """Check that each increment drops a weight of the rows, or matrices, with the most."""
    shapes = [layer.oriented(layer.weight).shape for layer in layers]
    size = max(shape[1] if pattern.scope == "row" else shape.numel() for shape in shapes)
    count = round(size * pattern.sparsity)
    if count == 0 < pattern.sparsity and recipe.allocation == "uniform":
        lowest = ceil(1e6 / size) / 1e6  # more than half a weight, and few digits
        raise SparsityError(
            f"no weight would be dropped of a {pattern.scope} of {size:,} weights, the largest",
            f"set sparsity to {lowest:g} or more",
        )
    recipe.increment.check_divides(count, "weights")
