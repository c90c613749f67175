"""Taking pruned weights back for kept ones, so that a layer's mean output moves less."""

from dataclasses import dataclass
from fnmatch import fnmatchcase

import torch
from torch import Tensor

from worker.pruning.methods.scores import wanda
from worker.pruning.methods.solvers.selection import AsPublished, Selection, group_width
from worker.pruning.stats.input_moments import VarianceMoments

_TINY = torch.finfo(torch.float32).tiny


@dataclass(frozen=True)
class Swaps:
    """DSnoT: after a mask is chosen, swap weights within rows; all weights keep their values.

    Zhang et al., 2024 (arXiv:2310.08915), and the authors' code. What pruning takes from a row's
    mean output is e, the sum of W_j E[x_j] over its pruned weights. Cycle by cycle each row takes
    back the weight whose W_j E[x_j] / Var[x_j] counts most towards e, and drops for it, within
    the same group where the pattern is N:M, the kept weight of the smallest score. A row stops
    at the first swap that would not make \\|e\\| smaller, or when it has none left.

    As published a row stops elsewhere: at 2:4 only at the swap that would turn e's sign, even
    where \\|e\\| grows; unstructured never before all cycles are over. And unstructured it drops
    by Wanda's score, whichever has chosen the mask.

    Attributes:
        cycles: the most swaps of a row.
        threshold: a row with a smaller \\|e\\|, summed over the tokens of a window, is left alone.
        only: globs of the layers to swap in, by their names inside a block.
    """

    cycles: int = 50
    threshold: float = 0.1
    only: tuple[str, ...] = ("*",)

    def wants(self, name: str) -> bool:
        """Whether a layer of this name inside its block is swapped in."""
        return any(fnmatchcase(name, glob) for glob in self.only)

    def keep(
        self, weight: Tensor, spread: VarianceMoments, selection: Selection, score: Tensor
    ) -> Tensor:
        """Return the selection's mask after the swaps; each row, or group, keeps as many weights.

        Args:
            weight: ``[out, in]``, any float dtype.
            spread: of the ``in`` input features.
            selection: chooses the mask to begin with.
            score: ``[out, in]`` fp32; decides which weights are dropped, before and during swaps.

        Returns:
            ``[out, in]`` bool, True where the weight stays.
        """
        pull = weight.float() * (spread.mean() * spread.window_tokens)  # [out, in]
        ease = pull / spread.variance().clamp(min=_TINY)
        published, group = isinstance(selection, AsPublished), group_width(selection)
        count = min(self.cycles, weight.shape[1])
        by_wanda = published and group is None
        order = wanda(weight, spread.sq_mean()) if by_wanda else score
        rows = _Rows(selection.keep(score), order, pull, ease, count, group)
        for _ in range(count):
            swap = rows.propose()
            swap.accepted &= rows.error.abs() > self.threshold
            if not published:
                swap.accepted &= swap.error.abs() < rows.error.abs()
            elif group is not None:
                swap.accepted &= swap.error.sign() == rows.error.sign()
            if not bool(swap.accepted.any()):
                break
            rows.apply(swap)
        return rows.keep


PUBLISHED = Swaps(only=("*att*",))
"""What the authors' code swaps in by default: the layers of attention."""


@dataclass
class _Swap:
    """One swap in every row; all ``[out]``.

    Attributes:
        coming: the columns of the weights that are taken back.
        going: the columns of those that are dropped for them.
        error: the rows' e after it.
        accepted: which rows make it.
    """

    coming: Tensor
    going: Tensor
    error: Tensor
    accepted: Tensor


class _Rows:
    """The rows of a matrix while they swap.

    Args:
        keep: ``[out, in]`` bool, the mask to begin with.
        score: ``[out, in]`` fp32, the smallest is dropped first.
        pull: ``[out, in]`` fp32, what each weight adds to the mean output.
        ease: ``[out, in]`` fp32, of the size of which the largest comes back first.
        count: the most swaps.
        group: how many neighbours compete, None for a whole row.

    Attributes:
        keep: the mask as it stands.
        error: ``[out]``, e.
    """

    def __init__(
        self, keep: Tensor, score: Tensor, pull: Tensor, ease: Tensor, count: int, group: int | None
    ) -> None:
        self.keep, self.error = keep.clone(), pull.masked_fill(keep, 0.0).sum(1)
        self._pull, self._group = pull, group
        self._index = torch.arange(len(keep), device=keep.device)
        self._used = torch.zeros(2, len(keep), dtype=torch.int64, device=keep.device)
        self._active = torch.ones_like(self.error, dtype=torch.bool)
        up, down = pull > 0, pull < 0
        # Of both the first is for rows whose error is not below 0.
        self._coming = _best(ease.abs(), ~keep & up, ~keep & down, count)
        if group is None:
            self._going = _best(-score, keep & down, keep & up, count)
        else:
            self._cost = score.masked_fill(~keep, torch.inf)  # of what can still be dropped

    def propose(self) -> _Swap:
        """Return the next swap of each row, accepted where there is one."""
        coming = self._next(self._coming)
        group = self._group
        going = self._next(self._going) if group is None else self._cheapest(coming, group)
        possible = self._active & (coming >= 0) & (going >= 0)
        coming, going = coming.clamp(min=0), going.clamp(min=0)
        error = self.error - self._pull[self._index, coming] + self._pull[self._index, going]
        return _Swap(coming, going, error, possible)

    def apply(self, swap: _Swap) -> None:
        """Make the swap in the rows that accepted it; the others stop."""
        rows = self._index[swap.accepted]
        coming, going = swap.coming[rows], swap.going[rows]
        self.keep[rows, coming], self.keep[rows, going] = True, False
        if self._group is not None:
            self._cost[rows, going] = torch.inf
        self._used[self._side()[rows], rows] += 1
        self.error = torch.where(swap.accepted, swap.error, self.error)
        self._active = swap.accepted

    def _side(self) -> Tensor:
        return (self.error < 0).long()

    def _next(self, offers: Tensor) -> Tensor:
        """Return each row's next column among ``offers``, -1 where there is none."""
        side = self._side()
        return offers[side, self._index, self._used[side, self._index]]

    def _cheapest(self, coming: Tensor, group: int) -> Tensor:
        """Return the column to drop in the groups of ``coming``, -1 where there is none."""
        first = coming.clamp(min=0) // group * group
        columns = first[:, None] + torch.arange(group, device=coming.device)  # [out, group]
        least = self._cost.gather(1, columns).min(1)
        return (first + least.indices).masked_fill(least.values.isinf(), -1)


def _best(value: Tensor, first: Tensor, second: Tensor, count: int) -> Tensor:
    """Return the columns of the largest values among ``first``, and among ``second``.

    ``[2, out, count]``, the best first, -1 where there are no more.
    """
    sides = []
    for among in (first, second):
        best = value.masked_fill(~among, -torch.inf).topk(count, dim=1)
        sides.append(best.indices.masked_fill(best.values == -torch.inf, -1))
    return torch.stack(sides)
