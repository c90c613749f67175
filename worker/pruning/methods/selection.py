"""Selections: they choose which weights are kept, as a pattern or as published code does."""

from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from worker.pruning.methods.patterns import NofM, Pattern, Unstructured


class Selection(Protocol):
    """Anything, such as a pattern, that chooses which weights to keep, given their scores."""

    def keep(self, score: Tensor) -> Tensor:
        """Return a bool mask ``[out, in]``, True where the weight stays."""


@dataclass(frozen=True)
class AsPublished:
    """A selection that follows a pattern, but drops as many weights as the authors' code does.

    Attributes:
        pattern: the pattern; its own ``keep`` drops exactly the requested number of weights
            (rounded).
        inclusive: whether one weight more than the truncated number is dropped if the weights of a
            whole matrix compete.
    """

    pattern: Pattern
    inclusive: bool = True

    def keep(self, score: Tensor) -> Tensor:
        """Return the mask ``[out, in]`` that the authors' code chooses."""
        return self.pattern.keep_as_published(score, inclusive=self.inclusive)


@dataclass(frozen=True)
class HeldZeros:
    """A selection that keeps none of the weights that are zero already.

    They count among the weights to drop.

    Attributes:
        selection: what chooses among the other weights.
        zeros: ``[out, in]`` bool, True where the weight is zero already.
    """

    selection: Selection
    zeros: Tensor

    def keep(self, score: Tensor) -> Tensor:
        """Return the mask ``[out, in]``."""
        # No other score is below -1, that of weights whose inputs are always zero.
        return self.selection.keep(score.masked_fill(self.zeros, -2.0)) & ~self.zeros


def is_published(selection: Selection) -> bool:
    """Return whether a selection drops as many weights as the authors' code does."""
    inner = selection.selection if isinstance(selection, HeldZeros) else selection
    return isinstance(inner, AsPublished)


def group_pattern(selection: Selection) -> NofM | None:
    """Return the N:M pattern of a selection; None if it has no such pattern."""
    pattern = _pattern(selection)
    return pattern if isinstance(pattern, NofM) else None


def partial_selection(selection: Selection, share: float) -> Selection:
    """Return a selection that drops only ``share`` of what ``selection`` drops, where possible.

    If the weights of each row compete, those with the smallest scores in each row are dropped. With
    N:M, those with the smallest scores in the whole matrix are dropped, but never the best n of a
    group. If the weights of the whole matrix compete, ``share`` is ignored and ``selection`` itself
    is returned, as in the ADMM authors' code.
    """
    if isinstance(selection, HeldZeros):
        return replace(selection, selection=partial_selection(selection.selection, share))
    pattern = _pattern(selection)
    if share == 1:  # otherwise rounding of n · s could leave a group one weight too many
        return selection
    if isinstance(pattern, NofM):
        return _PartialGroups(pattern, share)
    if not isinstance(pattern, Unstructured) or pattern.scope == "matrix":
        return selection
    fewer = replace(pattern, sparsity=pattern.sparsity * share)
    return replace(selection, pattern=fewer) if isinstance(selection, AsPublished) else fewer


@dataclass(frozen=True)
class _PartialGroups:
    """N:M in part: the best n weights of each group are kept; a share of the others is dropped."""

    pattern: NofM
    share: float

    def keep(self, score: Tensor) -> Tensor:
        """Return the mask ``[out, in]``."""
        protected = score.masked_fill(self.pattern.keep(score), torch.finfo(score.dtype).max)
        dropping = Unstructured(self.pattern.sparsity * self.share)
        return dropping.keep_as_published(protected, inclusive=False)


def _pattern(selection: Selection) -> Selection:
    return selection.pattern if isinstance(selection, AsPublished) else selection


def of_columns(selection: Selection, rows: int, start: int, stop: int) -> Selection:
    """Return the selection for columns ``start`` to ``stop`` alone.

    For an `Unstructured` selection, the number of weights to drop is rounded so that consecutive
    ranges together drop as many weights as ``selection`` drops in the whole matrix. Other
    selections are returned unchanged, but for the columns of their zeros.
    """
    if isinstance(selection, HeldZeros):
        inner = of_columns(selection.selection, rows, start, stop)
        return HeldZeros(inner, selection.zeros[:, start:stop])
    if not isinstance(selection, Unstructured):
        return selection
    lines = rows if selection.scope == "matrix" else 1
    dropped = round(lines * stop * selection.sparsity) - round(lines * start * selection.sparsity)
    return replace(selection, sparsity=dropped / (lines * (stop - start)))
