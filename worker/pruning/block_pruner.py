"""Scoring and masking the linear layers of one block."""

import torch
from torch import Tensor

from worker.pruning.errors import NotFiniteError
from worker.pruning.linears import Linear
from worker.pruning.memory import give_back
from worker.pruning.methods import Method
from worker.pruning.moments import InputMoments
from worker.pruning.patterns import Pattern
from worker.pruning.report import LayerReport

# From here on, what the forward has freed is worth returning before a layer is scored.
_LARGE_BYTES = 4 << 20


class BlockPruner:
    """Prunes the layers of one block in place.

    The stored weight is the one that is scored and kept, in its own dtype; the layer that computes
    the forward gets the same zeros.

    Args:
        name: the block's name, for errors.
        stored: the block's parameters in their stored dtype; pruned in place.
        method: how to score a weight.
        pattern: which scores survive.
        as_published: whether the computing weights get the mask of the method's own code until
            `settle`; the statistics of later layers then are the published ones, although the
            stored weights have exactly the zeros that were asked for.
    """

    def __init__(
        self,
        name: str,
        stored: dict[str, Tensor],
        method: Method,
        pattern: Pattern,
        as_published: bool,
    ) -> None:
        self._name, self._stored = name, stored
        self._method, self._pattern = method, pattern
        self._as_published = as_published
        self._pruned: list[Linear] = []
        self.reports: list[LayerReport] = []

    def __call__(self, layer: Linear, moments: InputMoments) -> None:
        """Prune one layer; one that no token reached is scored by its magnitudes alone.

        Raises:
            NotFiniteError: the layer's weight, or its inputs, hold NaN or infinity.
        """
        stored = self._stored[layer.weight_name]
        if stored.nbytes >= _LARGE_BYTES:
            give_back()
        score = self._score(layer, stored, moments)
        if self._as_published:
            published = ~self._pattern.keep_as_published(score)
            layer.compute_with(_zeroed(layer, stored, published))
        drop = ~self._pattern.keep(score)
        # Filled, not multiplied: a product with a mask stores -0.0.
        layer.oriented(stored).masked_fill_(drop.to(stored.device), 0.0)
        if not self._as_published:
            layer.oriented(layer.weight).masked_fill_(drop, 0.0)
        zeros = stored.numel() - int(stored.count_nonzero())
        self.reports.append(LayerReport(layer.weight_name, zeros, stored.numel(), moments.tokens))
        self._pruned.append(layer)

    def settle(self) -> None:
        """Give the computing weights the stored ones' values."""
        for layer in self._pruned:
            layer.compute_with(self._stored[layer.weight_name])

    def _score(self, layer: Linear, stored: Tensor, moments: InputMoments) -> Tensor:
        weight = layer.oriented(stored).to(layer.weight.device)
        known = moments.tokens > 0
        sq_mean = moments.sq_mean() if known else torch.ones(layer.inputs, device=weight.device)
        score = self._method.score(weight, sq_mean)
        if not bool(score.sum().isfinite()):
            raise NotFiniteError(f"{self._name}.{layer.name}")
        return score


def _zeroed(layer: Linear, stored: Tensor, drop: Tensor) -> Tensor:
    """Return a copy of the stored weight with zeros where ``drop`` ``[out, in]`` is True."""
    copy = stored.clone()
    layer.oriented(copy).masked_fill_(drop.to(copy.device), 0.0)
    return copy
