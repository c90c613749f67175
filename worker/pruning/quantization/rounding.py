"""Rounding the kept weights of a matrix, column by column, with later columns making up for it."""

import torch
from torch import Tensor

from worker.pruning.base.masking import mask_as_float
from worker.pruning.base.shapes import LayerShape
from worker.pruning.base.speed import Cost
from worker.pruning.methods.layer_work import INVERSE, cube
from worker.pruning.methods.solvers.solver import SolverMemory
from worker.pruning.methods.solvers.sparsegpt import middle_of
from worker.pruning.model.packed_weights import QuantizedMatrix
from worker.pruning.quantization.scales import choose_scales, round_to
from worker.pruning.quantization.scheme import Scheme
from worker.pruning.stats.gram import Gram

DAMPING = 0.01
"""As published for GPTQ: the share of the mean diagonal that is added to the diagonal."""
MEMORY = SolverMemory(factorizing=32, factored=20, solving=20)
_ONE_BY_ONE = 16  # columns that are rounded one by one before the others are updated
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
    run.round_groups(0, weight.shape[1])
    return QuantizedMatrix(run.integers.T.contiguous(), run.scales.T.contiguous(), scheme.bits)


class _Rounding:
    """The rounding of a matrix from left to right.

    A range of columns is halved until it is small. The second half is updated for the first half's
    errors in one matrix product, so that nearly all arithmetic is in large matrix products.

    Attributes:
        integers: ``[in, out]`` int8, transposed as all matrices here are, so that each column is
            contiguous.
        scales: ``[groups, out]`` in the weight's dtype.
    """

    def __init__(self, weight: Tensor, gram: Gram, scheme: Scheme) -> None:
        factor = gram.inverse_cholesky(DAMPING)
        self._steps = factor / factor.diagonal()[:, None]  # changes for a unit of error
        self._sq_mean, self._scheme, self._dtype = gram.sq_mean, scheme, weight.dtype
        self._work = weight.float().T.clone(memory_format=torch.contiguous_format)
        self._kept = self._work != 0
        self._errors = torch.zeros_like(self._work)
        self.integers = torch.zeros_like(self._work, dtype=torch.int8)
        groups = weight.shape[1] // scheme.group_size
        self.scales = torch.ones(groups, len(weight), dtype=weight.dtype, device=weight.device)

    def round_groups(self, start: int, stop: int) -> None:
        """Round columns ``start`` to ``stop``, group by group."""
        size = self._scheme.group_size
        if stop - start > size:
            middle = middle_of(start, stop, size)
            self.round_groups(start, middle)
            self._update(start, middle, stop)
            self.round_groups(middle, stop)
            return
        kept = self._work[start:stop] * mask_as_float(self._kept[start:stop])
        scale = choose_scales(kept, self._sq_mean[start:stop], self._scheme, self._dtype)
        self.scales[start // size] = scale
        self._round(start, stop, scale)

    def _round(self, start: int, stop: int, scale: Tensor) -> None:
        """Round columns ``start`` to ``stop`` of a group with these scales, ``[out]``."""
        if stop - start > _ONE_BY_ONE:
            middle = middle_of(start, stop, _ONE_BY_ONE)
            self._round(start, middle, scale)
            self._update(start, middle, stop)
            self._round(middle, stop, scale)
            return
        for column in range(start, stop):
            after, weights = slice(column + 1, stop), self._work[column]
            rounded = round_to(weights, scale, self._scheme.bits).mul_(self._kept[column])
            self.integers[column] = rounded
            stored = (rounded * scale).to(self._dtype)  # its product is rounded when it is loaded
            self._errors[column] = weights - stored
            self._work[after].addr_(self._steps[column, after], self._errors[column], alpha=-1)

    def _update(self, start: int, middle: int, stop: int) -> None:
        """Change columns ``middle`` to ``stop`` to make up for the errors before ``middle``."""
        steps = self._steps[start:middle, middle:stop]
        self._work[middle:stop].addmm_(steps.T, self._errors[start:middle], alpha=-1)


def rounding_cost(layer: LayerShape, scheme: Scheme) -> Cost:
    """Return the cost of rounding one layer.

    If layers with the same input share one factorization, its cost is included only for the first
    of them.
    """
    trials = _TRIALS[scheme.scales] * _TRIAL_BYTES
    return Cost(
        factorization=INVERSE * cube(layer),
        fp32_matmul=layer.weights * max(0, layer.inputs - _ONE_BY_ONE),
        elementwise=layer.weights * (4 * _ONE_BY_ONE + 60 + trials),
    )
