"""Replacing the columns of a weight from left to right, with later columns making up for it."""

from collections.abc import Callable

import torch
from torch import Tensor

from worker.pruning.methods.solvers.sparsegpt import middle_of

ONE_BY_ONE = 16
"""Columns that are replaced one by one before the others are updated."""

Replace = Callable[[int], Tensor]
"""Returns the values ``[out]`` that replace a column, given its index."""


class Compensation:
    """The replacement of a weight's columns from left to right.

    U is upper triangular, and UᵀU is the inverse of the damped Gram matrix. Replacing a column w_j
    by q_j changes the columns after it by −((w_j − q_j) / U_jj) U_j,: (Frantar et al., 2022,
    arXiv:2210.17323). A range of columns is halved until it is small. The second half is updated
    for the first half's errors in one matrix product, so that nearly all arithmetic is in large
    matrix products.

    Args:
        weight: ``[out, in]``, any float dtype; not modified.
        factor: U, ``[in, in]`` fp32.

    Attributes:
        work: ``[in, out]`` fp32, the weights as the replaced columns have changed them; transposed
            as all matrices here are, so that each column is contiguous.
    """

    def __init__(self, weight: Tensor, factor: Tensor) -> None:
        self._steps = factor / factor.diagonal()[:, None]  # changes for a unit of error
        self.work = weight.float().T.clone(memory_format=torch.contiguous_format)
        self._errors = torch.zeros_like(self.work)

    def replace_all(self, size: int, prepare: Callable[[int, int], Replace]) -> None:
        """Replace all columns, group by group.

        Args:
            size: how many columns a group has; the last one may have fewer.
            prepare: called with a group's first column and its end, once the columns before the
                group are replaced; returns what replaces its columns.
        """
        self._replace_groups(0, len(self.work), size, prepare)

    def _replace_groups(
        self, start: int, stop: int, size: int, prepare: Callable[[int, int], Replace]
    ) -> None:
        if stop - start > size:
            middle = middle_of(start, stop, size)
            self._replace_groups(start, middle, size, prepare)
            self._update(start, middle, stop)
            self._replace_groups(middle, stop, size, prepare)
            return
        self._replace(start, stop, prepare(start, stop))

    def _replace(self, start: int, stop: int, replace: Replace) -> None:
        """Replace columns ``start`` to ``stop`` of a group."""
        if stop - start > ONE_BY_ONE:
            middle = middle_of(start, stop, ONE_BY_ONE)
            self._replace(start, middle, replace)
            self._update(start, middle, stop)
            self._replace(middle, stop, replace)
            return
        for column in range(start, stop):
            after = slice(column + 1, stop)
            self._errors[column] = self.work[column] - replace(column)
            self.work[after].addr_(self._steps[column, after], self._errors[column], alpha=-1)

    def _update(self, start: int, middle: int, stop: int) -> None:
        """Change columns ``middle`` to ``stop`` to make up for the errors before ``middle``."""
        steps = self._steps[start:middle, middle:stop]
        self.work[middle:stop].addmm_(steps.T, self._errors[start:middle], alpha=-1)
