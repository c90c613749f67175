"""Rounding the kept weights of a matrix, column by column, with later columns making up for it."""

import torch
from torch import Tensor

from worker.pruning.base.masking import mask_as_float
from worker.pruning.base.shapes import LayerShape
from worker.pruning.base.speed import Cost
from worker.pruning.methods.compensation import ONE_BY_ONE, Compensation, Replace
from worker.pruning.methods.layer_work import INVERSE, cube
from worker.pruning.methods.solvers.solver import SolverMemory
from worker.pruning.model.packed_weights import QuantizedMatrix
from worker.pruning.quantization.scales import choose_scales, round_to
from worker.pruning.quantization.scheme import Scheme
from worker.pruning.stats.gram import Gram

DAMPING = 0.01
"""As published for GPTQ: the share of the mean diagonal that is added to the diagonal."""
MEMORY = SolverMemory(factorizing=32, factored=20, solving=20)
_TRIAL_BYTES = 24  # read and written per weight to try a scale
_TRIALS = {"mse": 21, "minmax": 1}


def round_weights(weight: Tensor, gram: Gram, scheme: Scheme) -> QuantizedMatrix:
    """Round a sparse weight so that its outputs change little; zeros stay zeros.

    This is GPTQ (Frantar et al., 2022, arXiv:2210.17323) with held zeros. U is upper triangular,
    and UᵀU is the inverse of the damped Gram matrix. Column by column, a kept weight w_j becomes
    the nearest multiple q_j of its group's scale, and a pruned one becomes q_j = 0, although the
    columns before it have changed it. The error w_j − q_j changes the columns after it by
    −((w_j − q_j) / U_jj) U_j,: and so is made up for by rounded and pruned weights together, of
    which only the kept ones remain (Guo et al., 2025, arXiv:2509.11177). The scale of a group is
    chosen when the columns before the group are rounded.

    Args:
        weight: ``[out, in]``, any float dtype; its zeros are the pruned weights; not modified.
        gram: second moments of the ``in`` input features.
        scheme: how the weights are quantised; its group size divides ``in``.

    Returns:
        The integers, 0 where the weight is 0, and scales in the weight's dtype.

    Raises:
        ShapeError: the Gram matrix does not fit the weight.
        SolverFailedError: the Gram matrix is not positive definite with any damping that is tried.
    """
    gram.check_fits(weight)
    run = _Rounding(weight, gram, scheme)
    run.run()
    return QuantizedMatrix(run.integers.T.contiguous(), run.scales.T.contiguous(), scheme.bits)


class _Rounding:
    """The rounding of a matrix from left to right.

    Attributes:
        integers: ``[in, out]`` int8, transposed as all matrices here are, so that each column is
            contiguous.
        scales: ``[groups, out]`` in the weight's dtype.
    """

    def __init__(self, weight: Tensor, gram: Gram, scheme: Scheme) -> None:
        self._columns = Compensation(weight, gram.inverse_cholesky(DAMPING))
        self._sq_mean, self._scheme, self._dtype = gram.sq_mean, scheme, weight.dtype
        self._kept = self._columns.work != 0
        self.integers = torch.zeros_like(self._columns.work, dtype=torch.int8)
        groups = weight.shape[1] // scheme.group_size
        self.scales = torch.ones(groups, len(weight), dtype=weight.dtype, device=weight.device)

    def run(self) -> None:
        """Round all columns."""
        self._columns.replace_all(self._scheme.group_size, self._rounded_group)

    def _rounded_group(self, start: int, stop: int) -> Replace:
        """Choose the scales of a group of columns, and return what rounds its columns."""
        kept = self._columns.work[start:stop] * mask_as_float(self._kept[start:stop])
        scale = choose_scales(kept, self._sq_mean[start:stop], self._scheme, self._dtype)
        self.scales[start // self._scheme.group_size] = scale

        def rounded(column: int) -> Tensor:
            integers = round_to(self._columns.work[column], scale, self._scheme.bits)
            self.integers[column] = integers.mul_(self._kept[column])
            return (integers * scale).to(self._dtype)  # its product is rounded when it is loaded

        return rounded


def rounding_cost(layer: LayerShape, scheme: Scheme) -> Cost:
    """Return the cost of rounding one layer.

    If layers with the same input share one factorization, its cost is included only for the first
    of them.
    """
    trials = _TRIALS[scheme.scales] * _TRIAL_BYTES
    return Cost(
        factorization=INVERSE * cube(layer),
        fp32_matmul=layer.weights * max(0, layer.inputs - ONE_BY_ONE),
        elementwise=layer.weights * (4 * ONE_BY_ONE + 60 + trials),
    )
