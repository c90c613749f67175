"""The translation of a specification into a recipe for pruning."""

from dataclasses import replace

from db.core.errors import SpecRefusedError
from db.problems.failures import RATIO
from db.spec.options.masks import Propagation
from db.spec.propagation import propagation_of
from db.spec.prune_spec import PruneSpec
from db.spec.pruning.allocations import AllocationName, SpreadAllocation
from db.spec.pruning.methods import OWN_MASK, REMOVING, MethodName, SolverName
from db.spec.pruning.variants import default_variant
from worker.jobs.options.removal import removal_of
from worker.jobs.options.sweep_stages import own_pruning, sweep_stages
from worker.pruning.base.errors import RatioError
from worker.pruning.base.increments import Increment
from worker.pruning.methods.allocation import BlockSparsities
from worker.pruning.methods.patterns import NofM, Pattern, Unstructured
from worker.pruning.methods.registry import get_allocation, get_scorer, get_solver
from worker.pruning.methods.solvers.exact import variant_of
from worker.pruning.methods.solvers.solver import Solver
from worker.pruning.methods.swaps import PUBLISHED_SWAPS, Swaps
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.sweep.recipe.check import check_recipe
from worker.pruning.sweep.recipe.recipe import Allocation, Recipe
from worker.pruning.sweep.rotation.rotating import Rotating
from worker.recovery.kinds.router import check_routers
from worker.recovery.settings import Recovery

_DEFAULT_CORRECTION = 0.3  # measured: docs/methods/correction.md
_UNSCORED = OWN_MASK | REMOVING | {MethodName.none}


def recipe_of(spec: PruneSpec) -> Recipe:
    scorer = get_scorer(spec.method) if spec.method not in _UNSCORED else None
    own = own_pruning(spec)
    pattern: Pattern
    if own is not None:
        pattern = own.pattern
    elif spec.pattern is None:
        published = scorer.scope if scorer else "matrix"
        pattern = Unstructured(spec.sparsity, spec.scope.value if spec.scope else published)
    else:
        pattern = NofM(*map(int, spec.pattern.split(":")))
    solver, removal, stages = _solver(spec), removal_of(spec), sweep_stages(spec)
    corrects = solver is not None or any(stage.follows_dense for stage in stages)
    return Recipe(
        scorer=scorer,
        pattern=pattern,
        propagation=propagation_of(spec).value,
        solver=solver,
        allocation=_allocation(spec),
        skip=spec.skip,
        # Removed units are not corrected by default (docs/methods/removal.md).
        correction=_correction(spec) if corrects else spec.correction or 0.0,
        damping=spec.damping if solver or removal else None,
        swaps=_swaps(spec),
        removal=removal,
        own=own,
        stages=stages,
    )


def recipe_at(recipe: Recipe, increment: Increment) -> Recipe:
    """Return the part of a job's whole recipe that one increment makes.

    The steps of its stages, and the steps that measure units, are divided among the increments.
    """
    removal = recipe.removal and recipe.removal.at(increment)
    stages = tuple(stage.at(increment) for stage in recipe.stages)
    return replace(recipe, removal=removal, stages=stages, increment=increment)


def recipe_sparing(recipe: Recipe, windows: int) -> Recipe:
    """Return a recipe whose last ``windows`` calibration windows are of a second text."""
    stages = tuple(stage.sparing(windows) for stage in recipe.stages)
    return replace(
        recipe, removal=recipe.removal and recipe.removal.sparing(windows), stages=stages
    )


def recipe_starting(recipe: Recipe, start: tuple[float, ...]) -> Recipe:
    """Return a recipe whose search for units starts from the probabilities of an earlier one."""
    return replace(recipe, removal=recipe.removal and recipe.removal.starting(start))


def compares_in_sweep(recipe: Recipe, recovery: Recovery | None) -> bool:
    """Return whether the sweep compares the job's own dense model with the model that it writes.

    A rotation changes the first before the sweep, and a recovery the second after it.
    """
    return recovery is None and recipe.stage(Rotating) is None


def last_increment(spec: PruneSpec) -> Increment:
    """Return the last increment of a job, which is the only one of most jobs."""
    total = spec.steps or 1
    return Increment(total, total)


def check_job_recipe(recipe: Recipe, spec: PruneSpec, meta_model: MetaModel) -> None:
    """Check that a job's recipe and its recovery fit its model.

    Raises:
        SpecRefusedError: no number of units is near the ratio.
        PruningError: as `check_recipe`; or the recovery trains routers, and the model has none.
    """
    try:
        check_recipe(recipe, meta_model)
    except RatioError as error:
        reason = f"on this model it {error.effect}"
        raise SpecRefusedError("ratio", spec.ratio, RATIO.code, reason, error.advice) from error
    if spec.recover is not None and spec.recover.kind == "router":
        check_routers(meta_model.blocks, meta_model.config.model_type)


def _solver(spec: PruneSpec) -> Solver | None:
    name = spec.method if spec.method in OWN_MASK else spec.solver
    if name in {SolverName.none, SolverName.dsnot}:
        return None
    solver = get_solver(name, as_published=spec.propagation is Propagation.reference)
    if spec.method is MethodName.exact:
        return variant_of(solver, (spec.variant or default_variant(spec.pattern)).value)
    return solver


def _swaps(spec: PruneSpec) -> Swaps | None:
    if spec.solver is not SolverName.dsnot:
        return None
    return PUBLISHED_SWAPS if spec.propagation is Propagation.reference else Swaps()


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
