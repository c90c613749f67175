"""Pruning column after column, the later columns making up for each loss."""

import torch
from torch import Tensor

from worker.pruning.base.masking import mask_as_float, masked
from worker.pruning.methods.solvers.selection import Selection, group_width, share
from worker.pruning.stats.gram import Gram

_BLOCK = 128  # columns whose weights compete, as published
_LEAF = 16  # columns that are eliminated one by one before the others hear of it


def sparsegpt(
    weight: Tensor,
    gram: Gram,
    pattern: Selection,
    score: Tensor | None = None,
    damping: float = 0.01,
) -> Tensor:
    """Drop weights by the error they cannot be relieved of, and repair those to their right.

    Frantar & Alistarh, 2023 (arXiv:2301.00774), algorithm 1, and the authors' code. With UᵀU the
    damped Gram's inverse, U upper, dropping w_j changes the columns after it by
    −(w_j / U_jj) U_j,: and costs w_j² / U_jj². The weights of 128 columns compete, those of one
    group where the pattern is N:M. Where the code drops one weight more per 128 columns, exactly
    the number asked for is dropped.

    Args:
        weight: ``[out, in]``, any float dtype; not modified.
        gram: second moments of the ``in`` input features.
        pattern: which scores survive.
        score: ``[out, in]``; where given it alone decides the mask.
        damping: share of the mean diagonal that is added to the diagonal; published as 1 %.

    Returns:
        ``[out, in]`` fp32, +0.0 where dropped; columns of dead features are zero throughout.

    Raises:
        ShapeError: weight, Gram matrix, score or pattern do not fit each other.
        SolverFailedError: the Gram matrix is not positive definite, however much it is damped.
    """
    gram.check_fits(weight)
    run = _Elimination(weight, gram, pattern, damping)
    if score is None:
        run.select_and_eliminate(0, weight.shape[1])
    else:
        run.drop.copy_(mask_as_float(~pattern.keep(score)).T)
        run.eliminate(0, weight.shape[1])
    return masked(run.work.T, run.drop.T == 0)


class _Elimination:
    """The columns as rows of ``work`` ``[in, out]``, so that each is contiguous.

    A range of columns is halved until it is small, and the second half hears of the first half's
    losses in one product: nearly all arithmetic is in large matrix products.
    """

    def __init__(self, weight: Tensor, gram: Gram, pattern: Selection, damping: float) -> None:
        factor = gram.inverse_cholesky(damping)
        self.work = weight.float().T.clone(memory_format=torch.contiguous_format)
        self.work[gram.dead] = 0.0
        self.drop = torch.zeros_like(self.work)  # 1 where dropped
        self._pivots = factor.diagonal()[:, None]  # [in, 1]
        self._steps = factor / self._pivots  # row j: what the columns get for each unit of w_j
        self._pattern = pattern
        self._contest = group_width(pattern) or _BLOCK

    def select_and_eliminate(self, start: int, stop: int) -> None:
        """Choose what columns ``start`` to ``stop`` lose as each contest comes up, and drop it."""
        if stop - start > self._contest:
            middle = _middle(start, stop, self._contest)
            self.select_and_eliminate(start, middle)
            self._pass_on(start, middle, stop)
            self.select_and_eliminate(middle, stop)
        else:
            self._select(start, stop)
            self.eliminate(start, stop)

    def eliminate(self, start: int, stop: int) -> None:
        """Drop what ``drop`` says from columns ``start`` to ``stop``, and repair these."""
        if stop - start > _LEAF:
            middle = _middle(start, stop, _LEAF)
            self.eliminate(start, middle)
            self._pass_on(start, middle, stop)
            self.eliminate(middle, stop)
        else:
            for column in range(start, stop):
                after = slice(column + 1, stop)
                dropped = self.work[column] * self.drop[column]
                self.work[after].addr_(self._steps[column, after], dropped, alpha=-1)

    def _select(self, start: int, stop: int) -> None:
        score = (self.work[start:stop].abs() / self._pivots[start:stop]).T.contiguous()
        contest = share(self._pattern, len(score), start, stop)
        self.drop[start:stop] = mask_as_float(~contest.keep(score)).T

    def _pass_on(self, start: int, middle: int, stop: int) -> None:
        """Let columns from ``middle`` on make up for what those before it lost."""
        dropped = self.work[start:middle] * self.drop[start:middle]
        steps = self._steps[start:middle, middle:stop]
        self.work[middle:stop].addmm_(steps.T, dropped, alpha=-1)


def _middle(start: int, stop: int, width: int) -> int:
    """Return where to halve a range, a whole number of ``width`` from its start."""
    pieces = -(-(stop - start) // width)
    return start + pieces // 2 * width
