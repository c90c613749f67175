"""Predicting the memory of scoring and solving one layer.

The constants are bytes per entry of a weight matrix ``[out, in]`` or of a matrix ``[in, in]``, and
were derived from the code. A benchmark compares the predictions with the measured peaks of whole
jobs.
"""

from worker.pruning.base.shapes import LayerShape
from worker.pruning.methods.solvers.solver import SolverMemory

_SCORE_BYTES = 13  # the score, two tensors of its size, and a mask
_FP32_BYTES = 4  # an fp32 copy of a weight stored in another dtype
_SUM_BYTES = 8  # the sum of x xᵀ, and again that of x x̂ᵀ
_CORRECTION_BYTES = 16  # sum and mean of x x̂ᵀ, and the factor of the correction


def score_bytes(layer: LayerShape, converted: bool) -> int:
    """Return the peak bytes of scoring one layer and choosing its mask.

    If ``converted``, the layer's weights are converted to fp32 first.
    """
    return layer.weights * (_SCORE_BYTES + _FP32_BYTES * converted)


def solver_bytes(
    layers: tuple[LayerShape, ...],
    memory: SolverMemory,
    *,
    converted: bool,
    keeps: bool,
    corrects: bool,
) -> int:
    """Return the peak memory, in bytes, of solving a block's layers one after another.

    Args:
        layers: the block's layers, in the order in which they are solved.
        memory: the memory that the solver needs.
        converted: whether the weights are stored in a dtype other than fp32.
        keeps: whether all layers' Gram matrices are computed before the first layer is solved, as
            with the propagation ``reference``. In this case, each matrix is kept until its layer is
            solved, and the matrix's factors are kept until the last layer is solved.
        corrects: whether the solver's target is corrected with the dense model's inputs.
    """
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
