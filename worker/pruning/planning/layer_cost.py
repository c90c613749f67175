"""Predicting the cost of scoring and solving one layer.

Bytes per weight are derived from the code; steps of the iterative solvers were counted.
"""

from worker.pruning.methods.solvers.penalty import FAST
from worker.pruning.planning.shapes import LayerShape
from worker.pruning.planning.speed import Cost

_SCORE_BYTES = {"magnitude": 12, "wanda": 24, "ria": 40, "zpruner": 104, "gblm": 36}
_MASK_BYTES = 60  # a partition, two comparisons, and masking both copies of the weight
_SWAP_BYTES = 600  # both lists of candidates, and up to 50 swaps
_ALPS_STEPS = FAST.steps  # without a restart
_NEIGHBOURS = 16  # columns of a group in which SparseGPT eliminates one by one
_INVERSE = 4 / 3  # operations per in³: a factorization, and the inverse of the factor


def score_cost(layer: LayerShape, method: str | None, *, swaps: bool) -> Cost:
    """Return the cost of scoring one layer and choosing its mask."""
    score = _SCORE_BYTES.get(method or "", max(_SCORE_BYTES.values()))
    return Cost(elementwise=layer.weights * (score + _MASK_BYTES + _SWAP_BYTES * swaps))


def solver_cost(layer: LayerShape, solver: str, method: str | None, *, corrects: bool) -> Cost:
    """Return the cost of solving one layer, with factorizations unless it shares its input.

    Args:
        layer: the layer.
        solver: name of the solver.
        method: name of the method whose score chooses the mask; None if the solver chooses it.
        corrects: whether the solver's target is corrected first.
    """
    cost = _SOLVERS.get(solver, _alps)(layer, method is None)
    if method is not None:
        cost += score_cost(layer, method, swaps=False)
    if corrects:
        cost += Cost(fp32_matmul=3 * _product(layer), elementwise=40 * layer.weights)
        cost += Cost(factorization=_INVERSE * _cube(layer))
    return cost


def _sparsegpt(layer: LayerShape, chooses: bool) -> Cost:
    # Each column changes those after it: half of a product in total. Within a group of 16, that
    # is done column by column, and half of the columns are read and written each time.
    outside_group = max(0, layer.inputs - _NEIGHBOURS)
    return Cost(
        factorization=_INVERSE * _cube(layer),
        fp32_matmul=layer.weights * outside_group,
        elementwise=layer.weights * (4 * _NEIGHBOURS + 40 + _MASK_BYTES * chooses),
    )


def _admm(layer: LayerShape, chooses: bool) -> Cost:
    return Cost(
        factorization=_cube(layer),
        fp32_matmul=21 * _product(layer),
        elementwise=layer.weights * (20 * 48 + 15 * _MASK_BYTES * chooses),
    )


def _alps(layer: LayerShape, chooses: bool) -> Cost:
    solving = Cost(fp32_matmul=12 * _product(layer), elementwise=10 * 56 * layer.weights)
    if not chooses:
        return solving
    return solving + Cost(
        factorization=_ALPS_STEPS / FAST.every * layer.inputs**3,
        fp32_matmul=_ALPS_STEPS * _product(layer),
        elementwise=_ALPS_STEPS * (_MASK_BYTES + 48) * layer.weights,
    )


_SOLVERS = {"sparsegpt": _sparsegpt, "admm": _admm, "alps": _alps}


def _product(layer: LayerShape) -> float:
    """Return the operations of the weight times a matrix ``[in, in]``."""
    return 2.0 * layer.weights * layer.inputs


def _cube(layer: LayerShape) -> float:
    """Return in³ for the first of the layers that share an input, 0 for the others."""
    return 0.0 if layer.shares_input else float(layer.inputs) ** 3
