"""The inputs of a pruned block, and the outputs that it should have for them."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from worker.pruning.distributed.ranks import Ranks
from worker.pruning.model.activations import Activations


class BlockTargets:
    """One rank's share of the inputs and target outputs of a block.

    Windows are numbered across all ranks, and each rank has a consecutive range of them. The target
    is ``(1 - c) f(X̂) + c f(X)``, where f is the dense block, and X̂ and X are the block's inputs in
    the pruned and in the dense model. A solver's target for a single layer has the same form.

    Args:
        inputs: the pruned block's inputs X̂.
        own: the dense block's outputs for X̂, ``f(X̂)``.
        dense: the dense block's outputs for X, ``f(X)``; empty without correction.
        correction: c, from 0 to 1.
        ranks: the ranks that share the windows.
        tokens: how many tokens of each window to use, from its first one on; None for all.
    """

    def __init__(
        self,
        inputs: Activations,
        own: Activations,
        dense: Activations,
        correction: float,
        ranks: Ranks,
        tokens: int | None = None,
    ) -> None:
        self._inputs, self._own, self._dense = inputs, own, dense
        self._correction, self._ranks, self._tokens = correction, ranks, tokens
        sizes = [shape[0] for _, shape in inputs.shapes()]
        self._places = [(batch, row) for batch, size in enumerate(sizes) for row in range(size)]
        counts = [count for (count,) in ranks.all_gather(sum(sizes))]
        first = sum(counts[: ranks.rank])
        self._windows = range(first, first + sum(sizes))

    def owned(self, windows: Iterable[int]) -> list[int]:
        """Return those of the windows that belong to this rank."""
        return [window for window in windows if window in self._windows]

    def inputs(self, windows: Sequence[int]) -> Tensor:
        """Return the inputs ``[windows, tokens, hidden]`` of some of this rank's windows."""
        rows = [self._inputs.row(*self._place(window)) for window in windows]
        return torch.stack([row[: self._tokens] for row in rows])

    def outputs(self, windows: Sequence[int]) -> Tensor:
        """Return the fp32 targets ``[windows, tokens, hidden]`` of some of this rank's windows."""
        return torch.stack([self._target(*self._place(window)) for window in windows])

    def _target(self, batch: int, row: int) -> Tensor:
        own = self._own.row(batch, row)[: self._tokens].float()
        if not self._correction:
            return own
        dense = self._dense.row(batch, row)[: self._tokens]
        return own.lerp(dense.float(), self._correction)

    def _place(self, window: int) -> tuple[int, int]:
        """Return the index of the batch that holds this window, and the window's row in the batch.

        The window has to belong to this rank.
        """
        return self._places[window - self._windows.start]
