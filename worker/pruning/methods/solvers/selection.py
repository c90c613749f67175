"""How a solver asks for a mask of weights it has changed itself."""

from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from worker.pruning.methods.patterns import NofM, Pattern, Unstructured


class Selection(Protocol):
    """What every pattern can do."""

    def keep(self, score: Tensor) -> Tensor:
        """Return a bool mask ``[out, in]``, True where the weight stays."""


@dataclass(frozen=True)
class AsPublished:
    """A pattern that counts as the methods' own codes do.

    Attributes:
        pattern: which scores survive.
        inclusive: whether a whole matrix loses one weight more than asked.
    """

    pattern: Pattern
    inclusive: bool = True

    def keep(self, score: Tensor) -> Tensor:
        """Return the pattern's published mask ``[out, in]``."""
        return self.pattern.keep_as_published(score, inclusive=self.inclusive)


def group_width(selection: Selection) -> int | None:
    """Return how many neighbours of a row compete, None where it is more than some."""
    pattern = _pattern(selection)
    return pattern.m if isinstance(pattern, NofM) else None


def eased(selection: Selection, share: float) -> Selection:
    """Return a selection that drops only ``share`` of what the whole one would.

    Of each row its smallest; of N:M the matrix's smallest among those that are not the best n of
    their group. Of a whole matrix all is dropped at once, as ADMM's own code does.
    """
    pattern = _pattern(selection)
    if share == 1:  # so that no rounding of n · s leaves a group one too many
        return selection
    if isinstance(pattern, NofM):
        return _EasedGroups(pattern, share)
    if not isinstance(pattern, Unstructured) or pattern.scope == "matrix":
        return selection
    fewer = replace(pattern, sparsity=pattern.sparsity * share)
    return replace(selection, pattern=fewer) if isinstance(selection, AsPublished) else fewer


@dataclass(frozen=True)
class _EasedGroups:
    """N:M on its way: the best n of each group are safe, of the others a share goes."""

    pattern: NofM
    share: float

    def keep(self, score: Tensor) -> Tensor:
        """Return the mask ``[out, in]``."""
        safe = score.masked_fill(self.pattern.keep(score), torch.finfo(score.dtype).max)
        going = Unstructured(self.pattern.sparsity * self.share)
        return going.keep_as_published(safe, inclusive=False)


def _pattern(selection: Selection) -> Selection:
    return selection.pattern if isinstance(selection, AsPublished) else selection


def share(selection: Selection, rows: int, start: int, stop: int) -> Selection:
    """Return the selection for columns ``start`` to ``stop`` alone.

    Rounded so that consecutive shares together drop exactly what the whole would.
    """
    if not isinstance(selection, Unstructured):
        return selection
    lines = rows if selection.scope == "matrix" else 1
    dropped = round(lines * stop * selection.sparsity) - round(lines * start * selection.sparsity)
    return replace(selection, sparsity=dropped / (lines * (stop - start)))
