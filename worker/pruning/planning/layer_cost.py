"""Predicting the cost of scoring and solving one layer."""

from worker.pruning.base.shapes import LayerShape
from worker.pruning.base.speed import Cost
from worker.pruning.methods import units
from worker.pruning.methods.layer_work import INVERSE, MASK_BYTES, cube, product
from worker.pruning.methods.registry import get_scorer, get_solver

SOLVER_CALLS = 1000
"""Calls of torch per layer that is solved, repaired or rounded."""
_SWAP_BYTES = 600  # both lists of candidates, and up to 50 swaps
# Per weight, what each allocation measures: outliers, a median, and a sort.
_MEASURING_BYTES = {"owl": 60, "dlp": 30, "matrix": 60}


def score_cost(layer: LayerShape, method: str, *, swaps: bool) -> Cost:
    """Return the cost of scoring one layer and choosing its mask."""
    bytes_per_weight = get_scorer(method).bytes_per_weight + MASK_BYTES + _SWAP_BYTES * swaps
    return Cost(elementwise=layer.weights * bytes_per_weight)


def allocation_cost(layer: LayerShape, allocation: str) -> Cost:
    """Return the cost of Wanda's scores of one dense layer, and of what is measured in them."""
    bytes_per_weight = get_scorer("wanda").bytes_per_weight + _MEASURING_BYTES[allocation]
    return Cost(elementwise=layer.weights * bytes_per_weight)


def solver_cost(layer: LayerShape, solver: str, method: str | None, *, corrects: bool) -> Cost:
    """Return the cost of solving one layer.

    If layers with the same input share one factorization, its cost is included only for the first
    of them.

    Args:
        solver: name of the solver.
        method: name of the method whose score chooses the mask; None if the solver chooses it.
        corrects: whether the solver's target is corrected first.
    """
    cost = get_solver(solver).cost(layer, method is None)
    if method is not None:
        cost += score_cost(layer, method, swaps=False)
    return cost + correction_cost(layer) if corrects else cost


def repair_cost(layer: LayerShape, *, corrects: bool) -> Cost:
    """Return the cost of choosing the units that a layer reads, and of repairing the layer."""
    cost = units.repair_cost(layer)
    return cost + correction_cost(layer) if corrects else cost


def correction_cost(layer: LayerShape) -> Cost:
    """Return the cost of correcting the weight that a solver or a repair approximates."""
    return Cost(
        fp32_matmul=3 * product(layer),
        elementwise=40 * layer.weights,
        factorization=INVERSE * cube(layer),
    )
