"""A small block of experts, and what changes its layers, for tests of calibration."""

import torch
from torch import nn

from worker.pruning.model.linear_layers import LinearLayer
from worker.pruning.stats.input_moments import InputMoments


class Experts(nn.Module):
    """A layer for all batches, then one of three experts, chosen by the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 4, bias=False)
        self.experts = nn.ModuleList(nn.Linear(4, 4, bias=False) for _ in range(3))

    def forward(self, inputs: torch.Tensor, expert: int) -> torch.Tensor:
        hidden = self.first(inputs)
        output: torch.Tensor = self.experts[expert](hidden)
        return output


class Halver:
    """Halves the weights instead of pruning them, and records tokens and mean squares."""

    def __init__(self) -> None:
        self.tokens: dict[str, int] = {}
        self.sq_mean: dict[str, torch.Tensor] = {}

    def __call__(self, layer: LinearLayer, moments: InputMoments) -> None:
        self.tokens[layer.name] = moments.tokens
        if moments.tokens:
            self.sq_mean[layer.name] = moments.sq_mean()
        layer.weight.mul_(0.5)
