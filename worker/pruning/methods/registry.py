"""The registry of the scorers, solvers and allocations that a job can name."""

from collections.abc import Callable, Mapping
from importlib import import_module
from pkgutil import iter_modules
from typing import TypeVar

from worker.pruning.base.errors import UnknownMethodError
from worker.pruning.methods import scores, solvers
from worker.pruning.methods.allocation import DlpAllocation, MeasuredAllocation, OwlAllocation
from worker.pruning.methods.matrix_allocation import MatrixAllocation
from worker.pruning.methods.scorers import GradientScorer, InputScorer, Scorer, WeightScorer
from worker.pruning.methods.solvers.solver import Solver

Registered = TypeVar("Registered")

MAGNITUDE = WeightScorer("magnitude", scores.magnitude, "matrix", bytes_per_weight=12)
WANDA = InputScorer("wanda", scores.wanda, "row", bytes_per_weight=24)

SCORERS: Mapping[str, Scorer] = {
    scorer.name: scorer
    for scorer in (
        InputScorer("zpruner", scores.zpruner, "matrix", bytes_per_weight=104),
        MAGNITUDE,
        WANDA,
        InputScorer("ria", scores.ria, "matrix", bytes_per_weight=40),
        GradientScorer("gblm", scores.gblm, "row", bytes_per_weight=36),
    )
}


def _solvers(attribute: str) -> dict[str, Solver]:
    """Return the solvers that modules of the folder of solvers have under ``attribute``."""
    modules = iter_modules(solvers.__path__, f"{solvers.__name__}.")
    found = (getattr(import_module(module.name), attribute, None) for module in modules)
    return {solver.name: solver for solver in found if solver is not None}


SOLVERS: Mapping[str, Solver] = _solvers("SOLVER")
PUBLISHED_SOLVERS: Mapping[str, Solver] = {**SOLVERS, **_solvers("AS_PUBLISHED")}
"""The solvers as their authors' code runs them."""

ALLOCATIONS: Mapping[str, Callable[..., MeasuredAllocation]] = {
    OwlAllocation.name: OwlAllocation,
    DlpAllocation.name: DlpAllocation,
    MatrixAllocation.name: MatrixAllocation,
}


def get_scorer(name: str) -> Scorer:
    """Return the scorer registered under ``name``.

    Raises:
        UnknownMethodError: no scorer has this name.
    """
    return _get("method", name, SCORERS)


def get_solver(name: str, *, as_published: bool = False) -> Solver:
    """Return the solver registered under ``name``.

    Args:
        name: the name of the solver.
        as_published: whether the solver should run as its authors' code runs it.

    Raises:
        UnknownMethodError: no solver has this name.
    """
    return _get("solver", name, PUBLISHED_SOLVERS if as_published else SOLVERS)


def get_allocation(name: str, spread: float | None = None) -> MeasuredAllocation:
    """Return the allocation registered under ``name``.

    Args:
        name: the name of the allocation.
        spread: the spread of the allocation; None selects the allocation's default spread.

    Raises:
        UnknownMethodError: no allocation has this name.
    """
    make = _get("allocation", name, ALLOCATIONS)
    return make() if spread is None else make(spread)


def _get(kind: str, name: str, registered: Mapping[str, Registered]) -> Registered:
    try:
        return registered[name]
    except KeyError:
        raise UnknownMethodError(kind, name, sorted(registered)) from None
