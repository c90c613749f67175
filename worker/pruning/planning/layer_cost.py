"""How much work the scoring and the repair of one layer are.

Bytes that pass per weight, read off the code; steps of the iterative solvers as they were
counted.
"""

from worker.pruning.methods.solvers.penalty import BRISK
from worker.pruning.planning.shapes import LayerShape
from worker.pruning.planning.speed import Effort

_SCORED = {"magnitude": 12, "wanda": 24, "ria": 40, "zpruner": 104, "gblm": 36}
_SELECTED = 60  # a partition, two comparisons, and the zeros put into both copies of the weight
_SWAPPED = 600  # both lists of candidates, and up to 50 swaps
_SEARCHED = BRISK.steps  # of ALPS, where it does not restart
_NEIGHBOURS = 16  # columns that SparseGPT eliminates one by one
_INVERTED = 4 / 3  # operations per [in, in, in]: a factorization, and the factor's inverse


def score_effort(layer: LayerShape, method: str | None, *, swaps: bool) -> Effort:
    """Return the work of scoring one layer and choosing its mask."""
    scored = _SCORED.get(method or "", max(_SCORED.values()))
    return Effort(passing=layer.weights * (scored + _SELECTED + _SWAPPED * swaps))


def solver_effort(layer: LayerShape, solver: str, method: str | None, *, corrects: bool) -> Effort:
    """Return the work of solving one layer, and of the factorizations if it does not share them.

    Args:
        layer: the layer.
        solver: its name.
        method: whose score chooses the mask; None where the solver does.
        corrects: whether the solver's aim is moved first.
    """
    done = _SOLVERS.get(solver, _alps)(layer, method is None)
    if method is not None:
        done += score_effort(layer, method, swaps=False)
    if corrects:
        done += Effort(solving=3 * _product(layer), passing=40 * layer.weights)
        done += Effort(factoring=_INVERTED * _cube(layer))
    return done


def _sparsegpt(layer: LayerShape, chooses: bool) -> Effort:
    # Each column changes those after it: half of a product in all. Within 16 neighbours that goes
    # column by column, and half of them are read and written each time.
    apart = max(0, layer.inputs - _NEIGHBOURS)
    return Effort(
        factoring=_INVERTED * _cube(layer),
        solving=layer.weights * apart,
        passing=layer.weights * (4 * _NEIGHBOURS + 40 + _SELECTED * chooses),
    )


def _admm(layer: LayerShape, chooses: bool) -> Effort:
    return Effort(
        factoring=_cube(layer),
        solving=21 * _product(layer),
        passing=layer.weights * (20 * 48 + 15 * _SELECTED * chooses),
    )


def _alps(layer: LayerShape, chooses: bool) -> Effort:
    repair = Effort(solving=12 * _product(layer), passing=10 * 56 * layer.weights)
    if not chooses:
        return repair
    return repair + Effort(
        factoring=_SEARCHED / BRISK.every * layer.inputs**3,
        solving=_SEARCHED * _product(layer),
        passing=_SEARCHED * (_SELECTED + 48) * layer.weights,
    )


_SOLVERS = {"sparsegpt": _sparsegpt, "admm": _admm, "alps": _alps}


def _product(layer: LayerShape) -> float:
    """Return the operations of multiplying the weight by a matrix ``[in, in]``."""
    return 2.0 * layer.weights * layer.inputs


def _cube(layer: LayerShape) -> float:
    """Return ``in`` to the third, once for all layers that share their input."""
    return 0.0 if layer.shares else float(layer.inputs) ** 3
