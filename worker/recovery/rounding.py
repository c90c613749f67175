"""Training quantised weights: rounded in the forward, with gradients that pass straight through."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from worker.pruning.model.meta_model import MetaModel
from worker.pruning.model.packed_weights import QuantizedMatrix
from worker.pruning.quantization.scales import round_to


@dataclass(frozen=True)
class FixedScales:
    """The scales of a quantised matrix, which training does not change.

    Attributes:
        scales: ``[out, groups]`` in the dtype of the weights.
        bits: bits of each weight.
    """

    scales: Tensor
    bits: int

    def quantized(self, weights: Tensor) -> QuantizedMatrix:
        """Round weights ``[out, in]`` fp32 to the nearest multiples of their groups' scales."""
        groups = weights.reshape(*self.scales.shape, -1)  # [out, groups, n]
        integers = round_to(groups, self.scales.float().unsqueeze(2), self.bits)
        return QuantizedMatrix(integers.to(torch.int8).flatten(1), self.scales, self.bits)

    def rounded(self, weights: Tensor) -> Tensor:
        """Return the rounded weights in fp32; the gradient is that of the weights themselves."""
        rounded: Tensor = _StraightThrough.apply(weights, self)  # type: ignore[no-untyped-call] # torch does not type it
        return rounded


class _StraightThrough(torch.autograd.Function):
    """Rounds weights in the forward; passes all gradients on in the backward."""

    @staticmethod
    def forward(ctx: Any, weights: Tensor, scales: FixedScales) -> Tensor:
        return scales.quantized(weights).weights().float()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0], None


def packed_matrices(meta_model: MetaModel, index: int) -> dict[str, QuantizedMatrix]:
    """Return those matrices of a block that are stored as packed integers, by parameter name."""
    matrices: dict[str, QuantizedMatrix] = {}
    for name in meta_model.blocks[index].state_dict():
        stored = meta_model.weights.stored_name(f"{meta_model.block_name(index)}.{name}")
        matrix = None if stored is None else meta_model.checkpoint.read_packed(stored)
        if matrix is not None:
            matrices[name] = matrix
    return matrices
