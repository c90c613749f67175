"""Products of a layer's inputs in the pruned model with its inputs in the dense model."""

from typing import Self

import torch
from torch import Tensor

from worker.pruning.base.bfloat16_products import bfloat16_products
from worker.pruning.base.errors import NotFiniteError, ShapeError
from worker.pruning.distributed.ranks import Ranks
from worker.pruning.model.linear_layers import LinearLayer
from worker.pruning.stats.gram import CHUNK, PANEL, GramMoments
from worker.pruning.stats.input_moments import or_zeros


class CrossMoments(GramMoments):
    """`GramMoments` that also sum x x̂ᵀ over tokens.

    x̂ is a token's input in the pruned model, and x is its input in the dense model.
    Products are summed in fp32 within a chunk and in fp64 over the chunks, as in `GramMoments`.
    """

    def __init__(self) -> None:
        super().__init__()
        self._cross_sum: Tensor | None = None
        self._pairs = 0

    def add_dense(self, inputs: Tensor, dense: Tensor) -> None:
        """Add the dense model's inputs, for tokens whose pruned-model inputs were given to `add`.

        Args:
            inputs: the tokens' inputs in the pruned model, ``[..., in]``, any float dtype.
            dense: the same tokens' inputs in the dense model, ``[..., in]``.

        Raises:
            ShapeError: the shapes differ.
        """
        if inputs.shape != dense.shape:
            raise ShapeError(f"inputs {tuple(inputs.shape)} but dense inputs {tuple(dense.shape)}")
        width = inputs.shape[-1]
        if self._cross_sum is None:
            self._cross_sum = torch.zeros(width, width, dtype=torch.float64, device=inputs.device)
        pruned, dense = inputs.reshape(-1, width), dense.reshape(-1, width)  # [tokens, in]
        chunks = zip(torch.split(pruned, CHUNK), torch.split(dense, CHUNK), strict=True)
        with bfloat16_products(pruned):
            for chunk, dense_chunk in chunks:
                _add_product(self._cross_sum, dense_chunk.float(), chunk.float())
        self._pairs += len(pruned)

    def cross(self) -> Tensor | None:
        """Return the mean of x x̂ᵀ, ``[in, in]`` fp32; None if any dense input is missing.

        Raises:
            NotFiniteError: the sum of x x̂ᵀ contains NaN or infinity.
        """
        if self._cross_sum is None or self._pairs != self.tokens:
            return None
        if not bool(self._cross_sum.isfinite().all()):
            raise NotFiniteError("the dense inputs' moments")
        return (self._cross_sum / self._pairs).float()

    def all_reduced(self, ranks: Ranks, layer: LinearLayer) -> Self:
        """Return the moments over the inputs of all ranks; every rank gets the same result."""
        total = super().all_reduced(ranks, layer)
        total._pairs = ranks.sum_of(self._pairs)
        if total._pairs:
            shape = (layer.inputs, layer.inputs)
            total._cross_sum = ranks.all_reduce(or_zeros(self._cross_sum, shape, layer))
        return total


def _add_product(total: Tensor, dense: Tensor, inputs: Tensor) -> None:
    """Add x x̂ᵀ to ``total [in, in]`` for dense inputs x and inputs x̂ ``[tokens, in]``."""
    for start in range(0, len(total), PANEL):
        rows = slice(start, start + PANEL)
        total[rows] += dense[:, rows].T @ inputs
