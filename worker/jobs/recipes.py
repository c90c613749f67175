"""The translation of a specification into a recipe for pruning and the settings of recovery."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from db.core.errors import SpecRefusedError
from db.problems.failures import RATIO
from db.spec.options.masks import Propagation
from db.spec.options.quantize import BITS
from db.spec.prune_spec import PruneSpec
from db.spec.pruning.allocations import AllocationName, SpreadAllocation
from db.spec.pruning.methods import OWN_MASK, REMOVING, MethodName, SelectionName, SolverName
from db.spec.pruning.variants import default_variant
from worker.pruning.base.errors import RatioError
from worker.pruning.base.increments import Increment
from worker.pruning.binarization.settings import Binarization
from worker.pruning.methods.allocation import BlockSparsities
from worker.pruning.methods.patterns import NofM, Pattern, Unstructured
from worker.pruning.methods.registry import get_allocation, get_scorer, get_solver
from worker.pruning.methods.solvers.exact import variant_of
from worker.pruning.methods.solvers.solver import Solver
from worker.pruning.methods.swaps import PUBLISHED_SWAPS, Swaps
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.quantization.scheme import Quantization
from worker.pruning.refinement.settings import Refinement
from worker.pruning.structure.depth import Depth
from worker.pruning.structure.heads import Heads
from worker.pruning.structure.measured_units import MeasuredUnits
from worker.pruning.structure.measures import (
    PUBLISHED_ADAPT,
    PUBLISHED_PGP,
    Adapt,
    LastTokens,
    Measure,
    Pgp,
)
from worker.pruning.structure.neurons import Neurons
from worker.pruning.sweep.recipe.check import check_recipe
from worker.pruning.sweep.recipe.recipe import Allocation, Recipe, Removal
from worker.recovery.settings import Recovery

_DEFAULT_CORRECTION = 0.3  # measured: docs/methods/correction.md
_REMOVALS: Mapping[str, Callable[[float], Removal]] = {
    MethodName.neurons: Neurons,
    MethodName.heads: Heads,
    MethodName.depth: Depth,
}
_UNSCORED = OWN_MASK | REMOVING | {MethodName.none}


def recipe_of(spec: PruneSpec) -> Recipe:
    scorer = get_scorer(spec.method) if spec.method not in _UNSCORED else None
    pattern: Pattern
    if (binarization := _binarization(spec)) is not None:
        pattern = binarization.pattern
    elif spec.pattern is None:
        published = scorer.scope if scorer else "matrix"
        pattern = Unstructured(spec.sparsity, spec.scope.value if spec.scope else published)
    else:
        pattern = NofM(*map(int, spec.pattern.split(":")))
    solver, removal = _solver(spec), _removal(spec)
    return Recipe(
        scorer,
        pattern,
        spec.propagation.value,
        solver,
        _allocation(spec),
        spec.skip,
        # Removed units are not corrected by default (docs/methods/removal.md).
        _correction(spec) if solver or spec.refine else spec.correction or 0.0,
        spec.damping if solver or removal else None,
        _swaps(spec),
        _refinement(spec),
        removal,
        _quantization(spec),
        binarization,
        spec.rotate is not None,
    )


def recipe_at(recipe: Recipe, increment: Increment) -> Recipe:
    """Return the part of a job's whole recipe that one increment makes.

    The optimizer steps of the refinement, and the steps that measure units, are divided among the
    increments.
    """
    removal, refinement = recipe.removal, recipe.refinement
    if removal is not None:
        removal = replace(removal, increment=increment)
    if isinstance(removal, MeasuredUnits):
        removal = replace(removal, measure=removal.measure.at(increment))
    if refinement is not None:
        first = increment.reached_before(refinement.steps)
        own = increment.reached(refinement.steps) - first
        refinement = replace(refinement, steps=own, first_step=first)
    return replace(recipe, removal=removal, refinement=refinement, increment=increment)


def recipe_sparing(recipe: Recipe, windows: int) -> Recipe:
    """Return a recipe whose last ``windows`` calibration windows are of a second text."""
    if not isinstance(recipe.removal, Neurons):
        return recipe
    return replace(recipe, removal=replace(recipe.removal, spared_windows=windows))


def recipe_starting(recipe: Recipe, start: tuple[float, ...]) -> Recipe:
    """Return a recipe whose search for units starts from the probabilities of an earlier one."""
    removal = recipe.removal
    if isinstance(removal, MeasuredUnits) and isinstance(removal.measure, Pgp):
        measure = replace(removal.measure, start=start)
        return replace(recipe, removal=replace(removal, measure=measure))
    return recipe


def last_increment(spec: PruneSpec) -> Increment:
    """Return the last increment of a job, which is the only one of most jobs."""
    total = spec.steps or 1
    return Increment(total, total)


def check_job_recipe(recipe: Recipe, spec: PruneSpec, meta_model: MetaModel) -> None:
    """Check that a job's recipe fits its model.

    Raises:
        SpecRefusedError: no number of units is near the ratio.
        PruningError: as `check_recipe`.
    """
    try:
        check_recipe(recipe, meta_model)
    except RatioError as error:
        reason = f"on this model it {error.effect}"
        raise SpecRefusedError("ratio", spec.ratio, RATIO.code, reason, error.advice) from error


def recovery_of(spec: PruneSpec) -> Recovery | None:
    """Return the settings of the recovery; None if the job has none."""
    if (settings := spec.recover) is None:
        return None
    rounds = spec.quantize is not None and settings.kind == "masked"
    return Recovery(
        settings.kind, settings.tokens, settings.lr, settings.kl, settings.temperature, rounds
    )


def _solver(spec: PruneSpec) -> Solver | None:
    name = spec.method if spec.method in OWN_MASK else spec.solver
    if name in {SolverName.none, SolverName.dsnot}:
        return None
    solver = get_solver(name, as_published=spec.propagation is Propagation.reference)
    if spec.method is MethodName.exact:
        return variant_of(solver, (spec.variant or default_variant(spec.pattern)).value)
    return solver


def _removal(spec: PruneSpec) -> Removal | None:
    if spec.ratio is None:
        return None
    if (measure := _measure(spec)) is not None:
        return MeasuredUnits(spec.ratio, measure, spec.uniform)
    if spec.selection is SelectionName.ptl:
        return Neurons(spec.ratio, last_tokens=LastTokens())
    remove = _REMOVALS.get(spec.method)
    return None if remove is None else remove(spec.ratio)


def _measure(spec: PruneSpec) -> Measure | None:
    """Return how units are measured before the sweep; None if they are not."""
    as_published = spec.propagation is Propagation.reference
    if spec.method is MethodName.adapt:
        return PUBLISHED_ADAPT if as_published else Adapt()
    if spec.method is MethodName.pgp:
        pgp = replace(PUBLISHED_PGP if as_published else Pgp(), seed=spec.seed)
        return replace(pgp, steps=spec.search_steps or pgp.steps)
    return None


def _swaps(spec: PruneSpec) -> Swaps | None:
    if spec.solver is not SolverName.dsnot:
        return None
    return PUBLISHED_SWAPS if spec.propagation is Propagation.reference else Swaps()


def _refinement(spec: PruneSpec) -> Refinement | None:
    if (refine := spec.refine) is None:
        return None
    return Refinement(refine.scope, refine.steps, refine.tokens, refine.lr, refine.norms, spec.seed)


def _quantization(spec: PruneSpec) -> Quantization | None:
    if (quantize := spec.quantize) is None:
        return None
    return Quantization(BITS[quantize.scheme], quantize.group_size, quantize.scales, quantize.skip)


def _binarization(spec: PruneSpec) -> Binarization | None:
    if (binarize := spec.binarize) is None:
        return None
    low, high = binarize.limits
    return Binarization(binarize.kept, low, high, binarize.group_size, binarize.salient)


def _correction(spec: PruneSpec) -> float:
    if spec.correction is not None:
        return spec.correction
    return 0.0 if spec.propagation is Propagation.reference else _DEFAULT_CORRECTION


def _allocation(spec: PruneSpec) -> Allocation:
    chosen = spec.allocation
    if isinstance(chosen, tuple):
        return BlockSparsities(chosen)
    if isinstance(chosen, SpreadAllocation):
        return get_allocation(chosen.name, chosen.spread)
    return "uniform" if chosen is AllocationName.uniform else get_allocation(chosen)
