"""The lines of a model card about how the model was pruned."""

from collections.abc import Iterable
from typing import Any

from db.spec.catalogue import METHODS
from db.spec.prune_spec import PruneSpec
from db.spec.pruning.allocations import AllocationName
from db.spec.pruning.methods import MethodName, SelectionName
from db.spec.pruning.variants import default_variant
from worker.jobs.recipes import recipe_of
from worker.pruning.methods.allocation import BlockSparsities
from worker.pruning.methods.patterns import NofM, Pattern
from worker.pruning.sweep.quantization.quantizing import Quantizing
from worker.pruning.sweep.recipe.recipe import Allocation, Recipe
from worker.pruning.sweep.refinement.refining import Refining

_SOURCES = {str(method.name): f"[{method.title}]({method.source})" for method in METHODS}
_PUBLISHED = {str(method.name) for method in METHODS if method.source}
_REMOVED = {
    MethodName.neurons: "the channels of MLPs that contribute least to their outputs",
    MethodName.heads: "the attention heads that contribute least to the attention's outputs",
    MethodName.depth: "the blocks whose outputs are most like their inputs",
    MethodName.adapt: "the channels of MLPs and the attention heads on which the dense model's "
    "loss depends least",
    MethodName.pgp: "the channels of MLPs and the attention heads that trials without some of them "
    "found to matter least",
}
_BY_PROMPTS = "the channels of MLPs that are least active on the last tokens of prompts"


def pruning_steps(spec: PruneSpec, environment: dict[str, Any]) -> Iterable[str]:
    """Describe how the model was pruned, one line per step; defaults are named as well."""
    recipe = recipe_of(spec)
    if recipe.removal is not None:
        yield from _removal_steps(spec, recipe)
    elif recipe.own is not None:
        yield "mask and weights by `binarize`, [PBS²P](https://arxiv.org/abs/2502.01705)"
    elif recipe.prunes:
        yield from _pruning_steps(spec, recipe)
    elif recipe.cuts_blocks:
        yield from _refinement(recipe)
    else:
        done = "pruned or changed" if recipe.stage(Quantizing) is None else "pruned"
        yield f"no weight {done}: method `none` keeps the zeros of the model"
    yield f"propagation `{environment['propagation']}`, forward passes in `{environment['dtype']}`"


def _removal_steps(spec: PruneSpec, recipe: Recipe) -> Iterable[str]:
    what = _BY_PROMPTS if spec.selection is SelectionName.ptl else _REMOVED[spec.method]
    source = f", {_SOURCES[spec.method]}" if spec.method in _PUBLISHED else ""
    yield f"removed by the method `{spec.method}`{source}, with a ratio of {spec.ratio:g}: {what}"
    if not recipe.is_cut:
        yield "different numbers from each block, so that they are zeros in place"
    if (repairing := recipe.repairing) is not None:
        yield (
            "the layers that read them repaired by least squares, correction "
            f"{repairing.correction:g}, damping {repairing.damping:g}"
        )
    yield from _refinement(recipe)


def _pruning_steps(spec: PruneSpec, recipe: Recipe) -> Iterable[str]:
    if recipe.scorer is None:
        yield f"mask and weights by the method `{spec.method}`, {_SOURCES[spec.method]}"
        if spec.method is MethodName.exact:
            yield f"variant `{spec.variant or default_variant(spec.pattern)}`"
    else:
        yield f"weights scored by the method `{spec.method}`, {_SOURCES[spec.method]}"
    yield _pattern(recipe.pattern)
    if recipe.swaps is not None:
        yield f"mask improved by the solver `{spec.solver}`, {_SOURCES[spec.solver]}"
    if recipe.solver is None and not recipe.stages:
        yield "no kept weight changed"
    elif recipe.solver is not None:
        if recipe.scorer is not None:
            yield f"kept weights repaired by the solver `{spec.solver}`, {_SOURCES[spec.solver]}"
        damping = recipe.solver.damping if recipe.damping is None else recipe.damping
        yield f"correction {recipe.correction:g}, damping {damping:g}"
    yield from _refinement(recipe)
    yield _allocation(recipe.allocation)


def _refinement(recipe: Recipe) -> Iterable[str]:
    if (refining := recipe.stage(Refining)) is not None:
        settings = refining.settings
        weights = "kept weights and norms" if settings.norms else "kept weights"
        yield (
            f"{weights} of each {settings.scope} trained in {settings.steps} steps towards the "
            f"dense block's outputs, correction {recipe.correction:g}: "
            "[EBFT](https://arxiv.org/abs/2402.12419)"
        )


def _pattern(pattern: Pattern) -> str:
    if isinstance(pattern, NofM):
        return f"pattern {pattern.n}:{pattern.m}: of each {pattern.m} neighbours {pattern.n} kept"
    return f"unstructured, {100 * pattern.sparsity:g} %, scope `{pattern.scope}`"


def _allocation(allocation: Allocation) -> str:
    if isinstance(allocation, str):
        return f"allocation `{allocation}`: the same sparsity in every matrix"
    if isinstance(allocation, BlockSparsities):
        return "allocation: a sparsity named for each block, which `report.json` lists"
    kept = "each block" if allocation.name == AllocationName.matrix else "the mean of all blocks"
    return (
        f"allocation `{allocation.name}` with spread {allocation.spread:g}, "
        f"{_SOURCES[allocation.name]}: {kept} has the sparsity"
    )
