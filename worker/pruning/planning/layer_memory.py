"""How much memory the scoring and the repair of one layer take.

Bytes per weight ``[out, in]`` and per entry of a matrix ``[in, in]``, read off the code and held
by a benchmark that measures whole jobs.
"""

from dataclasses import dataclass

from worker.pruning.planning.shapes import LayerShape

_SCORED = 13  # the score, two like it, and a mask
_CONVERTED = 4  # the weight in fp32, where it is stored otherwise
_SUMMED = 8  # the sum of x xᵀ, and as much of x x̂ᵀ
_CORRECTED = 16  # its sum, its mean, and the factor that moves the aim


@dataclass(frozen=True)
class SolverWork:
    """What a solver holds.

    Attributes:
        factor: per ``[in, in]`` while it factorizes.
        held: per ``[in, in]`` afterwards, for all layers that share the input.
        work: per weight.
        beside: per weight while it factorizes, where it does so again and again.
    """

    factor: int
    held: int
    work: int
    beside: int = 0


_SOLVERS = {
    "sparsegpt": SolverWork(factor=32, held=20, work=24),
    "admm": SolverWork(factor=28, held=18, work=36),
    "alps": SolverWork(factor=32, held=16, work=44, beside=24),
}
_LARGEST = SolverWork(32, 20, 44, 24)  # what is assumed of a solver that is not listed


def score_bytes(layer: LayerShape, converted: bool) -> int:
    """Return the bytes of scoring one layer and choosing its mask."""
    return layer.weights * (_SCORED + _CONVERTED * converted)


def solver_bytes(
    layers: tuple[LayerShape, ...], solver: str, *, converted: bool, keeps: bool, corrects: bool
) -> int:
    """Return the most bytes of solving a block's layers one after another.

    Args:
        layers: in the order in which they are solved.
        solver: its name.
        converted: whether the weights are stored in another dtype than fp32.
        keeps: whether the matrices of all inputs are there until the last layer is solved, as
            in ``reference``.
        corrects: whether the solver's aim is moved by what the dense stream brings.
    """
    need = _SOLVERS.get(solver, _LARGEST)
    summed = _SUMMED * (1 + corrects)
    held = need.held + _CORRECTED * corrects
    waiting = (
        sum(summed * layer.inputs**2 for layer in layers if not layer.shares_input) if keeps else 0
    )
    done, most = 0, waiting
    for layer in layers:
        square, own = layer.inputs**2, not layer.shares_input
        waiting -= summed * square * (keeps and own)
        weight = layer.weights * _CONVERTED * converted
        factorizing = (need.factor + _CORRECTED * corrects) * square + need.beside * layer.weights
        most = max(
            most,
            waiting + done + weight + max(factorizing, held * square + need.work * layer.weights),
        )
        done += held * square * (keeps and own)
    return most
