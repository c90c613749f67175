"""Low-rank adapters whose product is masked: PERP (Zimmer et al., 2023, arXiv:2312.15230)."""

import math

import torch
from torch import Generator, Tensor, nn
from typing_extensions import override

from worker.recovery.kinds.matrix import MatrixLayout
from worker.recovery.kinds.parametrization import Parametrization, computed_again
from worker.recovery.planning.sizes import ADAPTER_RANK

_ALPHA = 32
_SCALE = _ALPHA / ADAPTER_RANK


class MaskedLowRank(Parametrization):
    """The weights W + s·M⊙(B·A) with fixed pruned weights W and their mask M = (W ≠ 0).

    A ``[r, in]`` and B ``[out, r]`` are trained: A starts with random values and B with zeros. The
    scale s is a constant. Where W is zero, the sum is zero, too, so merging the adapter into W
    keeps all zeros.
    """

    def __init__(self, stored: Tensor, layout: MatrixLayout, generator: Generator) -> None:
        super().__init__()
        self._layout = layout
        count, outputs, inputs = layout.oriented(stored).shape
        device = stored.device
        self.base = nn.Parameter(stored, requires_grad=False)
        self.down = nn.Parameter(
            kaiming_uniform((count, ADAPTER_RANK, inputs), generator).to(device)
        )
        self.up = nn.Parameter(torch.zeros(count, outputs, ADAPTER_RANK, device=device))

    @override
    def forward(self) -> Tensor:
        return computed_again(self._sum, self.up, self.down)

    def _sum(self, up: Tensor, down: Tensor) -> Tensor:
        change = self._layout.stored(up @ down)
        return self.base.float() + _SCALE * (change * (self.base != 0))


def kaiming_uniform(shape: tuple[int, ...], generator: Generator) -> Tensor:
    """Return uniform random numbers from -1/√n to 1/√n, where n is the last size of ``shape``.

    This is Kaiming's bound for a = √5. torch's own function gives this distribution for a single
    matrix, but computes another bound for a stack of matrices.
    """
    bound = 1 / math.sqrt(shape[-1])
    return torch.empty(shape).uniform_(-bound, bound, generator=generator)
