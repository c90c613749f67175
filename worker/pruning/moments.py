"""What calibration remembers of a linear layer's inputs."""

from typing import Protocol

import torch
from torch import Tensor

_CHUNK = 1024  # tokens; larger pieces fall out of the cache and cost ten times as much on a CPU


class Moments(Protocol):
    """What every method can ask of a layer's inputs.

    Attributes:
        tokens: how many were counted.
    """

    tokens: int

    def add(self, inputs: Tensor) -> None:
        """Count the inputs ``[..., in]``."""

    def sq_mean(self) -> Tensor:
        """Return the mean square of each feature: ``[in]`` fp32."""


class InputMoments:
    """The mean square of each input feature over all calibration tokens.

    Summed in fp32 piece by piece and kept in fp64: in fp16 the sum would overflow.
    """

    def __init__(self) -> None:
        self._sum_sq: Tensor | None = None
        self.tokens = 0

    def add(self, inputs: Tensor) -> None:
        """Count the inputs ``[..., in]``, any float dtype."""
        inputs = inputs.reshape(-1, inputs.shape[-1])  # [tokens, in]
        pieces = [piece.float().square().sum(0) for piece in torch.split(inputs, _CHUNK)]
        sum_sq = torch.stack(pieces).double().sum(0)  # [in]
        self._sum_sq = sum_sq if self._sum_sq is None else self._sum_sq + sum_sq
        self.tokens += len(inputs)

    def sq_mean(self) -> Tensor:
        """Return the mean square of each feature: ``[in]`` fp32."""
        if self._sum_sq is None:
            raise ValueError("no inputs were added")
        return (self._sum_sq / self.tokens).float()
