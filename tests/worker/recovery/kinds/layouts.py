"""The layout of a single matrix, and Adam as its paper writes it."""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from transformers import LlamaConfig
from transformers.pytorch_utils import Conv1D

from worker.pruning.model.linear_layers import LinearLayer
from worker.recovery.kinds.matrix import MatrixLayout

OUT, IN = 8, 16


def linear_layout(outputs: int = OUT, inputs: int = IN) -> MatrixLayout:
    """Return the layout of an ``nn.Linear``."""
    layer = LinearLayer("proj", nn.Linear(inputs, outputs), "proj.weight", transposed=False)
    return MatrixLayout([layer], LlamaConfig())


def transposed_layout(outputs: int = OUT, inputs: int = IN) -> MatrixLayout:
    """Return the layout of a ``Conv1D``, which stores ``[in, out]``."""
    layer = LinearLayer("proj", Conv1D(outputs, inputs), "proj.weight", transposed=True)
    return MatrixLayout([layer], LlamaConfig())


def half_pruned(seed: int = 0, outputs: int = OUT, inputs: int = IN, scale: float = 1.0) -> Tensor:
    """Return a random matrix ``[out, in]`` with two of every four neighbours."""
    weight = scale * torch.randn(outputs, inputs, generator=torch.Generator().manual_seed(seed))
    order = weight.abs().view(-1, 4).argsort(1).argsort(1)
    return weight * (order >= 2).view_as(weight)


@dataclass
class AdamByHand:
    """AdamW of one parameter (Loshchilov and Hutter, arXiv:1711.05101, algorithm 2)."""

    rate: float
    decay: float = 0.0
    beta1: float = 0.9
    beta2: float = 0.95
    steps: int = 0
    mean: Tensor = field(default_factory=lambda: torch.zeros(()))
    square: Tensor = field(default_factory=lambda: torch.zeros(()))

    def direction(self, gradient: Tensor) -> Tensor:
        """Return the direction of the next step, before the learning rate."""
        self.steps += 1
        self.mean = self.beta1 * self.mean + (1 - self.beta1) * gradient
        self.square = self.beta2 * self.square + (1 - self.beta2) * gradient**2
        mean = self.mean / (1 - self.beta1**self.steps)
        square = self.square / (1 - self.beta2**self.steps)
        return mean / (square.sqrt() + 1e-8)

    def step(self, parameter: Tensor, gradient: Tensor) -> Tensor:
        """Return the parameter after a step."""
        change = self.direction(gradient) + self.decay * parameter
        return parameter - self.rate * change
