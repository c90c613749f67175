"""Predicting the memory of scoring and solving one layer.

Bytes per weight ``[out, in]`` and per entry of a matrix ``[in, in]`` are derived from the code. A
benchmark compares them with the measured peaks of whole jobs.
"""

from dataclasses import dataclass

from worker.pruning.planning.shapes import LayerShape

_SCORE_BYTES = 13  # the score, two tensors of its size, and a mask
_FP32_BYTES = 4  # an fp32 copy of a weight stored in another dtype
_SUM_BYTES = 8  # the sum of x xᵀ, and again that of x x̂ᵀ
_CORRECTION_BYTES = 16  # sum and mean of x x̂ᵀ, and the factor of the correction


@dataclass(frozen=True)
class SolverMemory:
    """Bytes that a solver needs.

    Attributes:
        factorizing: per entry of ``[in, in]`` during a factorization.
        factored: per entry of ``[in, in]`` afterwards, for all layers that share the input.
        solving: per weight.
        refactorizing: per weight during a factorization, for solvers that repeat it.
    """

    factorizing: int
    factored: int
    solving: int
    refactorizing: int = 0


_SOLVERS = {
    "sparsegpt": SolverMemory(factorizing=32, factored=20, solving=24),
    "admm": SolverMemory(factorizing=28, factored=18, solving=36),
    "alps": SolverMemory(factorizing=32, factored=16, solving=44, refactorizing=24),
}
_UPPER_BOUND = SolverMemory(32, 20, 44, 24)  # for solvers that are not listed


def score_bytes(layer: LayerShape, converted: bool) -> int:
    """Return the memory for scoring one layer and choosing its mask, in bytes."""
    return layer.weights * (_SCORE_BYTES + _FP32_BYTES * converted)


def solver_bytes(
    layers: tuple[LayerShape, ...], solver: str, *, converted: bool, keeps: bool, corrects: bool
) -> int:
    """Return the peak memory, in bytes, of solving a block's layers one after another.

    Args:
        layers: in the order in which they are solved.
        solver: name of the solver.
        converted: whether the weights are stored in another dtype than fp32.
        keeps: whether the Gram matrices of all inputs are kept until the last layer is solved, as
            for ``reference``.
        corrects: whether the solver's target is corrected with the dense model's inputs.
    """
    memory = _SOLVERS.get(solver, _UPPER_BOUND)
    sum_bytes = _SUM_BYTES * (1 + corrects)
    factored = memory.factored + _CORRECTION_BYTES * corrects
    waiting = (
        sum(sum_bytes * layer.inputs**2 for layer in layers if not layer.shares_input)
        if keeps
        else 0
    )
    solved, peak = 0, waiting
    for layer in layers:
        square, own = layer.inputs**2, not layer.shares_input
        waiting -= sum_bytes * square * (keeps and own)
        weight = layer.weights * _FP32_BYTES * converted
        factorizing = (
            memory.factorizing + _CORRECTION_BYTES * corrects
        ) * square + memory.refactorizing * layer.weights
        peak = max(
            peak,
            waiting
            + solved
            + weight
            + max(factorizing, factored * square + memory.solving * layer.weights),
        )
        solved += factored * square * (keeps and own)
    return peak
