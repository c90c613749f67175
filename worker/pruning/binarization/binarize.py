"""Binarising a matrix: N of each M neighbours are kept, and take two values in each group."""

from dataclasses import dataclass

import torch
from torch import Tensor

from worker.pruning.base.masking import mask_as_float
from worker.pruning.base.shapes import LayerShape
from worker.pruning.base.speed import Cost
from worker.pruning.binarization.levels import Levels, fit_levels, mean_of, signs_of
from worker.pruning.binarization.settings import GROUP, Binarization
from worker.pruning.methods.compensation import ONE_BY_ONE, Compensation, Replace
from worker.pruning.methods.layer_work import INVERSE, MASK_BYTES, cube
from worker.pruning.methods.patterns import NofM
from worker.pruning.methods.solvers.solver import SolverMemory
from worker.pruning.stats.gram import Gram

DAMPING = 0.01
"""The share of the mean diagonal that is added to the diagonal, as GPTQ does."""
MEMORY = SolverMemory(factorizing=32, factored=20, solving=24)
_FIT_BYTES = 8 * 80  # read and written per weight in the rounds of a fit, of both kinds of columns


@dataclass(frozen=True)
class BinarizedMatrix:
    """A binarised matrix.

    Attributes:
        values: ``[out, in]`` in the weight's dtype, +0.0 where pruned.
        keep: ``[out, in]`` bool, True where a weight is kept.
        salient: ``[in]`` bool, True for the columns that are binarised twice.
    """

    values: Tensor
    keep: Tensor
    salient: Tensor


def binarize(weight: Tensor, gram: Gram, pattern: NofM, settings: Binarization) -> BinarizedMatrix:
    """Prune a weight to N:M and binarise what is kept, so that its outputs change little.

    This follows PBS²P (arXiv:2502.01705). U is upper triangular, and UᵀU is the inverse of the
    damped Gram matrix. When the columns before a group of columns are done, the group's weights are
    pruned by w_j² / U_jj² in M − N steps, each of which drops one more of each M neighbours. After
    each step, the kept weights of each row are fitted by α sign(w − μ) + μ, from the μ of the step
    before (`fit_levels`). The group's columns with the largest sums of w_j² / U_jj² are salient:
    they have an α and a μ of their own, and what is left is binarised once more, by β sign(r) with
    β the mean of \\|r\\|. Then each column is replaced, and the columns after it make up for the
    error (`Compensation`); in the group this may still change signs. α, μ and β are rounded to the
    weight's dtype first, so that the values follow from what is counted as stored.

    Args:
        weight: ``[out, in]``, any float dtype; not modified.
        gram: second moments of the ``in`` input features.
        pattern: how many of each group of neighbours are kept.
        settings: the groups of columns, and how many of them are salient.

    Raises:
        ShapeError: the Gram matrix or the pattern does not fit the weight.
        SolverFailedError: the Gram matrix is not positive definite with any damping that is tried.
    """
    gram.check_fits(weight)
    pattern.check_splits(weight)
    run = _Binarizing(weight, gram, pattern, settings)
    return run.result()


class _Binarizing:
    """The binarisation of a matrix from left to right; matrices are transposed, ``[in, out]``."""

    def __init__(self, weight: Tensor, gram: Gram, pattern: NofM, settings: Binarization) -> None:
        factor = gram.inverse_cholesky(DAMPING)
        self._columns, self._dtype = Compensation(weight, factor), weight.dtype
        self._columns.work[gram.dead] = 0.0  # pruned first
        self._diagonal = factor.diagonal()[:, None]
        self._pattern, self._settings = pattern, settings
        self._values = torch.zeros_like(self._columns.work, dtype=weight.dtype)
        self._keep = torch.zeros_like(self._values, dtype=torch.bool)
        self._salient = torch.zeros_like(gram.dead)

    def result(self) -> BinarizedMatrix:
        """Binarise all columns."""
        self._columns.replace_all(self._settings.group_size, self._binarized_group)
        return BinarizedMatrix(self._values.T.contiguous(), self._keep.T, self._salient)

    def _binarized_group(self, start: int, stop: int) -> Replace:
        """Choose masks and values of a group of columns, and return what replaces its columns."""
        weights = self._columns.work[start:stop]
        costs = (weights / self._diagonal[start:stop]).square_()
        is_salient = _largest(costs.sum(1), self._settings.salient_columns(stop - start))
        self._salient[start:stop] = is_salient
        keep, plain, salient = self._fit(weights, costs, mask_as_float(is_salient)[:, None])
        self._keep[start:stop] = keep
        plain, salient = plain.stored(self._dtype), salient.stored(self._dtype)
        left = (weights - salient.nearest(weights)).abs_()
        twice = mask_as_float(keep) * mask_as_float(is_salient)[:, None]
        second = mean_of(left, twice).to(self._dtype).float()
        are_salient: list[bool] = is_salient.tolist()  # at once: each look would wait for a GPU

        def binarized(column: int) -> Tensor:
            weight = self._columns.work[column]
            values = (salient if are_salient[column - start] else plain).nearest(weight)
            if are_salient[column - start]:
                values += second * signs_of(weight - values)
            values.masked_fill_(~keep[column - start], 0.0)
            self._values[column] = values
            return self._values[column]

        return binarized

    def _fit(
        self, weights: Tensor, costs: Tensor, is_salient: Tensor
    ) -> tuple[Tensor, Levels, Levels]:
        """Prune a group step by step, and fit the kept weights after each step.

        Returns:
            Where weights are kept, ``[n, out]`` bool, and the levels of the columns that are not
            salient and of those that are.
        """
        shares = (1 - is_salient, is_salient)
        middles = [mean_of(weights, share.expand_as(weights)) for share in shares]
        # At least one step, for a pattern that keeps everything.
        for kept in range(max(GROUP - 1, self._pattern.n), self._pattern.n - 1, -1):
            keep = NofM(kept, GROUP).keep(costs.T).T
            levels = [
                fit_levels(weights, mask_as_float(keep) * share, middle)
                for share, middle in zip(shares, middles, strict=True)
            ]
            middles = [fitted.middle for fitted in levels]
        return keep, levels[0], levels[1]


def _largest(values: Tensor, count: int) -> Tensor:
    """Return where the ``count`` largest values ``[n]`` are, bool; of equal ones the first."""
    order = values.sort(descending=True, stable=True).indices
    return torch.zeros_like(values, dtype=torch.bool).index_fill_(0, order[:count], True)


def binarizing_cost(layer: LayerShape, pattern: NofM) -> Cost:
    """Return the cost of binarising one layer.

    If layers with the same input share one factorization, its cost is included only for the first
    of them.
    """
    steps = max(1, GROUP - pattern.n)
    return Cost(
        factorization=INVERSE * cube(layer),
        fp32_matmul=layer.weights * max(0, layer.inputs - ONE_BY_ONE),
        elementwise=layer.weights * (4 * ONE_BY_ONE + 60 + steps * (_FIT_BYTES + MASK_BYTES)),
    )
