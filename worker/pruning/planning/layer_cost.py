"""How much work the scoring and the repair of one layer are.

Bytes that pass per weight, read off the code; steps of the iterative solvers as they were
counted.
"""

from worker.pruning.methods.solvers.penalty import BRISK
from worker.pruning.planning.shapes import LayerShape
from worker.pruning.planning.speed import Cost

_SCORED = {"magnitude": 12, "wanda": 24, "ria": 40, "zpruner": 104, "gblm": 36}
_SELECTED = 60  # a partition, two comparisons, and the zeros put into both copies of the weight
_SWAPPED = 600  # both lists of candidates, and up to 50 swaps
_SEARCHED = BRISK.steps  # of ALPS, where it does not restart
_NEIGHBOURS = 16  # columns that SparseGPT eliminates one by one
_INVERTED = 4 / 3  # operations per [in, in, in]: a factorization, and the factor's inverse


def score_cost(layer: LayerShape, method: str | None, *, swaps: bool) -> Cost:
    """Return the work of scoring one layer and choosing its mask."""
    scored = _SCORED.get(method or "", max(_SCORED.values()))
    return Cost(elementwise=layer.weights * (scored + _SELECTED + _SWAPPED * swaps))


def solver_cost(layer: LayerShape, solver: str, method: str | None, *, corrects: bool) -> Cost:
    """Return the work of solving one layer, and of the factorizations if it does not share them.

    Args:
        layer: the layer.
        solver: its name.
        method: whose score chooses the mask; None where the solver does.
        corrects: whether the solver's aim is moved first.
    """
    done = _SOLVERS.get(solver, _alps)(layer, method is None)
    if method is not None:
        done += score_cost(layer, method, swaps=False)
    if corrects:
        done += Cost(fp32_matmul=3 * _product(layer), elementwise=40 * layer.weights)
        done += Cost(factorization=_INVERTED * _cube(layer))
    return done


def _sparsegpt(layer: LayerShape, chooses: bool) -> Cost:
    # Each column changes those after it: half of a product in all. Within 16 neighbours that goes
    # column by column, and half of them are read and written each time.
    apart = max(0, layer.inputs - _NEIGHBOURS)
    return Cost(
        factorization=_INVERTED * _cube(layer),
        fp32_matmul=layer.weights * apart,
        elementwise=layer.weights * (4 * _NEIGHBOURS + 40 + _SELECTED * chooses),
    )


def _admm(layer: LayerShape, chooses: bool) -> Cost:
    return Cost(
        factorization=_cube(layer),
        fp32_matmul=21 * _product(layer),
        elementwise=layer.weights * (20 * 48 + 15 * _SELECTED * chooses),
    )


def _alps(layer: LayerShape, chooses: bool) -> Cost:
    repair = Cost(fp32_matmul=12 * _product(layer), elementwise=10 * 56 * layer.weights)
    if not chooses:
        return repair
    return repair + Cost(
        factorization=_SEARCHED / BRISK.every * layer.inputs**3,
        fp32_matmul=_SEARCHED * _product(layer),
        elementwise=_SEARCHED * (_SELECTED + 48) * layer.weights,
    )


_SOLVERS = {"sparsegpt": _sparsegpt, "admm": _admm, "alps": _alps}


def _product(layer: LayerShape) -> float:
    """Return the operations of multiplying the weight by a matrix ``[in, in]``."""
    return 2.0 * layer.weights * layer.inputs


def _cube(layer: LayerShape) -> float:
    """Return ``in`` to the third, once for all layers that share their input."""
    return 0.0 if layer.shares_input else float(layer.inputs) ** 3
