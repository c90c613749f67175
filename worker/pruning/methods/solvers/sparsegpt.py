"""The SparseGPT solver: it prunes column by column and repairs the columns that follow."""

from typing import Protocol

import torch
from torch import Tensor

from worker.pruning.base.masking import mask_as_float, masked
from worker.pruning.base.shapes import LayerShape
from worker.pruning.base.speed import Cost
from worker.pruning.methods.layer_work import INVERSE, MASK_BYTES, cube
from worker.pruning.methods.selection import Selection, group_pattern, of_columns
from worker.pruning.methods.solvers.solver import Solver, SolverMemory
from worker.pruning.stats.gram import Gram

COLUMNS = 128
"""Number of columns whose weights compete, as published."""
_ONE_BY_ONE = 16  # columns that are eliminated one by one before the others are updated


class Choose(Protocol):
    """The function that chooses the mask of a group of columns."""

    def __call__(self, weight: Tensor, factor: Tensor, selection: Selection, /) -> Tensor:
        """Return a bool mask ``[out, n]``, True where the weight is kept.

        Args:
            weight: ``[out, n]`` fp32, the current weights of the group.
            factor: ``[n, n]`` fp32, upper triangular, U. UᵀU is the group's rows and columns of the
                inverse of a Hessian that covers the group's first column and all columns after it.
            selection: decides how many weights of the group are kept.
        """


def single_choice(weight: Tensor, factor: Tensor, selection: Selection) -> Tensor:
    """Choose the mask of a group by the loss of removing each weight alone, w_j² / U_jj²."""
    return selection.keep(weight.abs() / factor.diagonal())


def sparsegpt(
    weight: Tensor,
    gram: Gram,
    selection: Selection,
    score: Tensor | None = None,
    damping: float = 0.01,
) -> Tensor:
    """Drop the weights that cost the least output error, and repair the weights to their right.

    Frantar & Alistarh, 2023 (arXiv:2301.00774), algorithm 1, and the authors' code. U is upper
    triangular, and UᵀU is the inverse of the damped Gram matrix. Dropping w_j changes the columns
    after it by −(w_j / U_jj) U_j,: and costs w_j² / U_jj². The weights of 128 columns compete; with
    an N:M pattern, those of one group. The authors' code drops one weight more per 128 columns;
    here exactly the requested number is dropped, unless the selection is `AsPublished`.

    Args:
        weight: ``[out, in]``, any float dtype; not modified.
        gram: second moments of the ``in`` input features.
        selection: which weights are kept.
        score: ``[out, in]``; if given, it alone decides the mask.
        damping: at least this share of the mean diagonal is added to the diagonal; published as
            1 %.

    Returns:
        ``[out, in]`` fp32, +0.0 where dropped; columns of dead features are zero throughout.

    Raises:
        ShapeError: weight, Gram matrix, score or selection do not fit each other.
        SolverFailedError: the Gram matrix is not positive definite with any damping that is tried.
    """
    gram.check_fits(weight)
    run = Elimination(weight, gram, selection, damping)
    if score is None:
        run.select_and_eliminate(0, weight.shape[1])
    else:
        run.drop.copy_(mask_as_float(~selection.keep(score)).T)
        run.eliminate(0, weight.shape[1])
    return masked(run.work.T, run.keep)


class Elimination:
    """The elimination of weights column by column, from left to right.

    A range of columns is halved until it is small. The second half is updated for the first half's
    losses in one matrix product, so that nearly all arithmetic is in large matrix products.

    Args:
        weight: ``[out, in]``, any float dtype; not modified.
        gram: second moments of the ``in`` input features.
        selection: which weights are kept.
        damping: at least this share of the mean diagonal is added to the diagonal.
        choose: chooses the mask of each group of columns.

    Attributes:
        work: ``[in, out]`` fp32, the weights, transposed so that each column is contiguous.
        drop: ``[in, out]`` fp32, 1 where a weight is dropped, else 0.

    Raises:
        SolverFailedError: the Gram matrix is not positive definite with any damping that is tried.
    """

    def __init__(
        self,
        weight: Tensor,
        gram: Gram,
        selection: Selection,
        damping: float,
        choose: Choose = single_choice,
    ) -> None:
        self._factor = factor = gram.inverse_cholesky(damping)
        self.work = weight.float().T.clone(memory_format=torch.contiguous_format)
        self.work[gram.dead] = 0.0
        self.drop = torch.zeros_like(self.work)  # 1 where dropped
        # Row j: the change of each column for a unit of w_j.
        self._steps = factor / factor.diagonal()[:, None]
        self._selection, self._choose = selection, choose
        pattern = group_pattern(selection)
        self._group = pattern.m if pattern else COLUMNS

    @property
    def keep(self) -> Tensor:
        """``[out, in]`` bool, True where the weight has not been dropped."""
        return self.drop.T == 0

    def select_and_eliminate(self, start: int, stop: int) -> None:
        """Select and drop weights in columns ``start`` to ``stop``, group by group."""
        if stop - start > self._group:
            middle = middle_of(start, stop, self._group)
            self.select_and_eliminate(start, middle)
            self._update(start, middle, stop)
            self.select_and_eliminate(middle, stop)
        else:
            self._select(start, stop)
            self.eliminate(start, stop)

    def eliminate(self, start: int, stop: int) -> None:
        """In columns ``start`` to ``stop``, make up for the weights that `drop` marks."""
        if stop - start > _ONE_BY_ONE:
            middle = middle_of(start, stop, _ONE_BY_ONE)
            self.eliminate(start, middle)
            self._update(start, middle, stop)
            self.eliminate(middle, stop)
        else:
            for column in range(start, stop):
                after = slice(column + 1, stop)
                dropped = self.work[column] * self.drop[column]
                self.work[after].addr_(self._steps[column, after], dropped, alpha=-1)

    def _select(self, start: int, stop: int) -> None:
        weight = self.work[start:stop].T.contiguous()
        factor = self._factor[start:stop, start:stop]
        selection = of_columns(self._selection, len(weight), start, stop)
        self.drop[start:stop] = mask_as_float(~self._choose(weight, factor, selection)).T

    def _update(self, start: int, middle: int, stop: int) -> None:
        """Change columns ``middle`` to ``stop`` to make up for the losses before ``middle``."""
        dropped = self.work[start:middle] * self.drop[start:middle]
        steps = self._steps[start:middle, middle:stop]
        self.work[middle:stop].addmm_(steps.T, dropped, alpha=-1)


def middle_of(start: int, stop: int, width: int) -> int:
    """Return the column at which to split a range roughly in half.

    Its distance from ``start`` is a multiple of ``width``.
    """
    pieces = -(-(stop - start) // width)
    return start + pieces // 2 * width


def _cost(layer: LayerShape, selects: bool) -> Cost:
    # Each column changes those after it: half of a product in total. Within a group of 16, that
    # is done column by column, and half of the columns are read and written each time.
    return Cost(
        factorization=INVERSE * cube(layer),
        fp32_matmul=layer.weights * max(0, layer.inputs - _ONE_BY_ONE),
        elementwise=layer.weights * (4 * _ONE_BY_ONE + 40 + MASK_BYTES * selects),
    )


SOLVER = Solver(
    "sparsegpt",
    sparsegpt,
    damping=0.01,
    counting="inclusive",
    memory=SolverMemory(factorizing=32, factored=20, solving=24),
    cost=_cost,
)
