"""The inputs of a layer in the pruned model beside those in the dense one."""

from typing import Self

import torch
from torch import Tensor

from worker.pruning.base.errors import NotFiniteError, ShapeError
from worker.pruning.distributed.ranks import Ranks
from worker.pruning.model.linear_layers import LinearLayer
from worker.pruning.stats.gram import CHUNK, GramMoments
from worker.pruning.stats.input_moments import or_zeros


class CrossMoments(GramMoments):
    """Also sums x x̂ᵀ, x being the dense stream's input where the pruned one's is x̂, likewise."""

    def __init__(self) -> None:
        super().__init__()
        self._cross_sum: Tensor | None = None
        self._paired = 0

    def pair(self, inputs: Tensor, dense: Tensor) -> None:
        """Count what the dense stream brings for inputs that were added, both ``[..., in]``.

        Raises:
            ShapeError: they are not the same tokens' inputs of the same layer.
        """
        if inputs.shape != dense.shape:
            raise ShapeError(f"inputs {tuple(inputs.shape)} beside {tuple(dense.shape)}")
        width = inputs.shape[-1]
        if self._cross_sum is None:
            self._cross_sum = torch.zeros(width, width, dtype=torch.float64, device=inputs.device)
        pruned, dense = inputs.reshape(-1, width), dense.reshape(-1, width)  # [tokens, in]
        for one, other in zip(torch.split(pruned, CHUNK), torch.split(dense, CHUNK), strict=True):
            self._cross_sum += other.float().T @ one.float()
        self._paired += len(pruned)

    def cross(self) -> Tensor | None:
        """Return the mean of x x̂ᵀ ``[in, in]``, None unless every input has its pair.

        Raises:
            NotFiniteError: the dense stream's inputs hold NaN or infinity.
        """
        if self._cross_sum is None or self._paired != self.tokens:
            return None
        if not bool(self._cross_sum.isfinite().all()):
            raise NotFiniteError("the dense inputs' moments")
        return (self._cross_sum / self._paired).float()

    def all_reduced(self, ranks: Ranks, layer: LinearLayer) -> Self:
        """Return what all ranks have counted before ``layer``, the same on each."""
        total = super().all_reduced(ranks, layer)
        total._paired = ranks.sum_of(self._paired)
        if total._paired:
            shape = (layer.inputs, layer.inputs)
            total._cross_sum = ranks.all_reduce(or_zeros(self._cross_sum, shape, layer))
        return total
