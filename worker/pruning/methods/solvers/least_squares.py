"""Least squares on given masks: the best values of all kept weights of a layer, all at once."""

from collections.abc import Iterator

import torch
from torch import Tensor

from worker.pruning.base.errors import SolverFailedError
from worker.pruning.base.masking import mask_as_float
from worker.pruning.stats.gram import Gram

BATCH = 1
"""Entries of the systems solved at once, in multiples of in²: 4 rows if half of each is dropped."""


class LeastSquares:
    """Computes the weights with the least output error for any mask of one layer.

    The formula of Zhao et al., 2024 (arXiv:2410.15567), removes the set P of a row in one step:
    δw = −w_P ([H⁻¹]_PP)⁻¹ [H⁻¹]_P,:. For the set K of kept weights, this is the same as
    δw_K = w_P H_PK (H_KK)⁻¹. Each row needs a linear system of its own. The first formula is used
    if fewer than half of the weights are dropped, and the second if not, so that the systems are
    small. They are solved by Cholesky factorizations.

    Args:
        weight: ``[out, in]``, any float dtype; the weights to approximate.
        gram: second moments of the ``in`` input features.
        damping: share of the mean diagonal that is added to the diagonal.

    Raises:
        SolverFailedError: a diagonal entry of the damped Gram matrix is not positive.
    """

    def __init__(self, weight: Tensor, gram: Gram, damping: float) -> None:
        # With a unit diagonal, features of different sizes do not cost precision.
        self._scaled = gram.normalised(damping)
        self._dense = (weight.float() * self._scaled.scale).masked_fill_(gram.dead, 0.0)

    def solution(self, keep: Tensor, columns: slice = slice(None)) -> Tensor:
        """Return the weights of some columns, ``[out, columns]`` fp32.

        Dropped weights are zero up to rounding errors.

        Args:
            keep: ``[out, in]`` bool, True where the weight is kept.
            columns: the columns to return.

        Raises:
            SolverFailedError: the damped Gram matrix is not positive definite.
        """
        dense, dropped = self._dense, ~keep
        if 2 * int(dropped.count_nonzero()) < keep.numel():
            inverse = self._scaled.inverse(0.0, keep=True)
            step = solve_principal(inverse, dropped, dense)
            weights = torch.addmm(dense[:, columns], step, inverse[:, columns], alpha=-1)
        else:
            matrix = self._scaled.matrix
            missing = (dense * mask_as_float(dropped)) @ matrix
            weights = solve_principal(matrix, keep, missing).add_(dense)[:, columns]
        return weights / self._scaled.scale[columns]


def solve_principal(matrix: Tensor, members: Tensor, right: Tensor) -> Tensor:
    """Solve, for the members S of each row, matrix[S, S] x_S = right_S.

    Args:
        matrix: ``[in, in]`` fp32, symmetric and positive definite.
        members: ``[out, in]`` bool, the set S of each row.
        right: ``[out, in]`` fp32; entries outside S are ignored.

    Returns:
        ``[out, in]`` fp32, x, zero outside S.

    Raises:
        SolverFailedError: a matrix[S, S] is not positive definite, even in fp64.
    """
    solution = torch.zeros_like(right)
    for rows, width, is_padded in _batches(members, BATCH * len(matrix) ** 2):
        # The members of each row first, in order; shorter rows are padded by others.
        order = members[rows].byte().argsort(dim=1, descending=True, stable=True)
        columns = order[:, :width]
        systems = matrix[columns[:, :, None], columns[:, None, :]]  # [rows, width, width]
        values = right[rows].gather(1, columns)
        if is_padded:
            inside = mask_as_float(members[rows].gather(1, columns))
            systems.mul_(inside[:, :, None]).mul_(inside[:, None, :])
            systems.diagonal(dim1=1, dim2=2).add_(1 - inside)
            values.mul_(inside)
        solution[rows[:, None], columns] = solved(systems, values[:, :, None])[:, :, 0]
    return solution


def _batches(members: Tensor, entries: int) -> Iterator[tuple[Tensor, int, bool]]:
    """Yield batches of rows that have similar numbers of members.

    A batch is a tuple: the indices of its rows, the largest number of members in a row, and whether
    some rows have fewer. The systems of a batch have at most ``entries`` entries in total, unless a
    single system has more. Rows without members are left out.
    """
    counts, order = members.sum(1).sort(dim=0, descending=True, stable=True)
    sizes, start = counts.tolist(), 0
    while start < len(sizes) and (width := sizes[start]):
        stop = min(len(sizes), start + max(1, entries // width**2))
        yield order[start:stop], width, sizes[stop - 1] < width
        start = stop


def solved(systems: Tensor, right: Tensor) -> Tensor:
    """Return the fp32 solutions x ``[..., n, m]`` of ``systems [..., n, n]`` x = ``right``.

    Raises:
        SolverFailedError: a system is not positive definite, even in fp64.
    """
    for dtype in (torch.float32, torch.float64):
        factor, info = torch.linalg.cholesky_ex(systems.to(dtype))
        if not bool(info.any()):
            return torch.cholesky_solve(right.to(dtype), factor).float()
    raise SolverFailedError("not positive definite as it is damped")
