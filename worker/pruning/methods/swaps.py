"""Swaps of pruned weights for kept ones, so that a layer's mean output changes less."""

from dataclasses import dataclass
from fnmatch import fnmatchcase

import torch
from torch import Tensor

from worker.pruning.methods.scores import wanda
from worker.pruning.methods.selection import Selection, group_pattern, is_published
from worker.pruning.stats.input_moments import VarianceMoments

_TINY = torch.finfo(torch.float32).tiny


@dataclass(frozen=True)
class Swaps:
    """DSnoT: after a mask is chosen, swap weights within rows; all weights keep their values.

    Zhang et al., 2024 (arXiv:2310.08915), and the authors' code. Pruning lowers a row's mean
    output by e, the sum of W_j E[x_j] over the pruned weights of the row. In each cycle, each row
    restores the pruned weight with the largest \\|W_j E[x_j]\\| / Var[x_j], among those that move e
    towards 0 when they are restored. In exchange, the row drops the kept weight with the smallest
    score, among those that also move e towards 0 when they are dropped; with an N:M pattern, among
    all kept weights of the same group. No weight is swapped twice. A row stops at the first swap
    that would not reduce \\|e\\|, or when it has no candidates left.

    If the selection is `AsPublished`, rows stop as in the authors' code. With an N:M pattern, a row
    stops at the first swap that would change the sign of e, and \\|e\\| may grow until then. With
    an unstructured pattern, a row makes its swaps whatever they do to e, and Wanda's score decides
    which weights are dropped in exchange, whichever score chose the mask.

    Attributes:
        cycles: the maximum number of swaps per row.
        threshold: a row stops once its \\|e\\|, summed over the tokens of a window, is at most
            this.
        only: globs for the layers in which to swap; a layer's name is relative to its block.
    """

    cycles: int = 50
    threshold: float = 0.1
    only: tuple[str, ...] = ("*",)

    def apply_to(self, name: str) -> bool:
        """Whether to swap weights in the layer with this name, which is relative to its block."""
        return any(fnmatchcase(name, glob) for glob in self.only)

    def keep(
        self, weight: Tensor, inputs: VarianceMoments, selection: Selection, score: Tensor
    ) -> Tensor:
        """Return the selection's mask after the swaps.

        The swaps do not change how many weights each row, or each group, keeps.

        Args:
            weight: ``[out, in]``, any float dtype.
            inputs: mean and variance of the ``in`` input features.
            selection: chooses the initial mask.
            score: ``[out, in]`` fp32; decides which weights the initial mask drops, and which
                weights the swaps drop unless Wanda's score does (see the class).

        Returns:
            ``[out, in]`` bool, True where the weight is kept.
        """
        effect = weight.float() * (inputs.mean() * inputs.window_tokens)  # [out, in]
        gain = effect / inputs.variance().clamp(min=_TINY)
        pattern = group_pattern(selection)
        published, group = is_published(selection), pattern.m if pattern else None
        count = min(self.cycles, weight.shape[1])
        by_wanda = published and group is None
        order = wanda(weight, inputs.sq_mean()) if by_wanda else score
        rows = _Rows(selection.keep(score), order, effect, gain, count, group)
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


PUBLISHED_SWAPS = Swaps(only=("*att*",))
"""The default of the authors' code: it swaps only in attention layers."""


@dataclass
class _Swap:
    """One swap in every row; all tensors are ``[out]``.

    Attributes:
        restored: the columns of the weights that are restored.
        dropped: the columns of the weights that are dropped for them.
        error: the rows' e after the swap.
        accepted: in which rows the swap is made.
    """

    restored: Tensor
    dropped: Tensor
    error: Tensor
    accepted: Tensor


class _Rows:
    """The rows of a matrix during the swaps.

    Args:
        keep: ``[out, in]`` bool, the initial mask.
        score: ``[out, in]`` fp32; the weight with the smallest score is dropped first.
        effect: ``[out, in]`` fp32, the W_j E[x_j] of each weight, summed over a window's tokens.
        gain: ``[out, in]`` fp32; the weight with the largest absolute gain is restored first.
        count: the maximum number of swaps per row.
        group: how many neighbours compete; None if all weights of a row do.

    Attributes:
        keep: the current mask.
        error: ``[out]``, each row's e (see `Swaps`), summed over a window's tokens.
    """

    def __init__(
        self,
        keep: Tensor,
        score: Tensor,
        effect: Tensor,
        gain: Tensor,
        count: int,
        group: int | None,
    ) -> None:
        self.keep, self.error = keep.clone(), effect.masked_fill(keep, 0.0).sum(1)
        self._effect, self._group = effect, group
        self._index = torch.arange(len(keep), device=keep.device)
        self._used = torch.zeros(2, len(keep), dtype=torch.int64, device=keep.device)
        self._active = torch.ones_like(self.error, dtype=torch.bool)
        up, down = effect > 0, effect < 0
        # Of both lists the first is for rows whose error is not below 0.
        self._to_restore = _best(gain.abs(), ~keep & up, ~keep & down, count)
        if group is None:
            self._to_drop = _best(-score, keep & down, keep & up, count)
        else:
            self._cost = score.masked_fill(~keep, torch.inf)  # of weights that can still be dropped

    def propose(self) -> _Swap:
        """Return the next swap of each row; rows without a further swap are not marked accepted."""
        restored = self._next(self._to_restore)
        group = self._group
        dropped = self._next(self._to_drop) if group is None else self._cheapest(restored, group)
        possible = self._active & (restored >= 0) & (dropped >= 0)
        restored, dropped = restored.clamp(min=0), dropped.clamp(min=0)
        effect = self._effect
        error = self.error - effect[self._index, restored] + effect[self._index, dropped]
        return _Swap(restored, dropped, error, possible)

    def apply(self, swap: _Swap) -> None:
        """Make the swap in the rows where it is accepted; the other rows stop."""
        rows = self._index[swap.accepted]
        restored, dropped = swap.restored[rows], swap.dropped[rows]
        self.keep[rows, restored], self.keep[rows, dropped] = True, False
        if self._group is not None:
            self._cost[rows, dropped] = torch.inf
        self._used[self._side()[rows], rows] += 1
        self.error = torch.where(swap.accepted, swap.error, self.error)
        self._active = swap.accepted

    def _side(self) -> Tensor:
        return (self.error < 0).long()

    def _next(self, candidates: Tensor) -> Tensor:
        """Return each row's next candidate column, -1 where no candidate is left."""
        side = self._side()
        return candidates[side, self._index, self._used[side, self._index]]

    def _cheapest(self, restored: Tensor, group: int) -> Tensor:
        """Return the column to drop in each ``restored`` column's group, -1 if there is none."""
        first = restored.clamp(min=0) // group * group
        columns = first[:, None] + torch.arange(group, device=restored.device)  # [out, group]
        least = self._cost.gather(1, columns).min(1)
        return (first + least.indices).masked_fill(least.values.isinf(), -1)


def _best(value: Tensor, first: Tensor, second: Tensor, count: int) -> Tensor:
    """Return the columns of each row's ``count`` largest values, in each of two masks.

    Returns:
        ``[2, out, count]`` int64, columns in descending order of value; padded with -1 where a row
        of a mask has fewer than ``count`` columns.
    """
    sides = []
    for among in (first, second):
        best = value.masked_fill(~among, -torch.inf).topk(count, dim=1)
        sides.append(best.indices.masked_fill(best.values == -torch.inf, -1))
    return torch.stack(sides)
