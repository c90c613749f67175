"""How a solver asks for a mask of weights it has changed itself."""

from dataclasses import dataclass, replace
from typing import Protocol

from torch import Tensor

from worker.pruning.patterns import NofM, Pattern, Unstructured


class Selection(Protocol):
    """What every pattern can do."""

    def keep(self, score: Tensor) -> Tensor:
        """Return a bool mask ``[out, in]``, True where the weight stays."""


@dataclass(frozen=True)
class AsPublished:
    """A pattern that counts as the methods' own codes do."""

    pattern: Pattern

    def keep(self, score: Tensor) -> Tensor:
        """Return the pattern's published mask ``[out, in]``."""
        return self.pattern.keep_as_published(score)


def group_width(selection: Selection) -> int | None:
    """Return how many neighbours of a row compete, None where it is more than some."""
    pattern = selection.pattern if isinstance(selection, AsPublished) else selection
    return pattern.m if isinstance(pattern, NofM) else None


def share(selection: Selection, rows: int, start: int, stop: int) -> Selection:
    """Return the selection for columns ``start`` to ``stop`` alone.

    Rounded so that consecutive shares together drop exactly what the whole would.
    """
    if not isinstance(selection, Unstructured):
        return selection
    lines = rows if selection.scope == "matrix" else 1
    dropped = round(lines * stop * selection.sparsity) - round(lines * start * selection.sparsity)
    return replace(selection, sparsity=dropped / (lines * (stop - start)))
