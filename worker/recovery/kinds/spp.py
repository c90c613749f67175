"""Adapters that scale the kept weights: SPP (Lu et al., 2024, arXiv:2405.16057)."""

import torch
from torch import Generator, Tensor, nn
from typing_extensions import override

from worker.recovery.kinds.mask_lora import kaiming_uniform
from worker.recovery.kinds.matrix import MatrixLayout
from worker.recovery.kinds.parametrization import Parametrization, computed_again
from worker.recovery.planning.sizes import ADAPTER_RANK

_SCALE = 2.0


class ScaledWeights(Parametrization):
    """The weights W + s·Ā⊙b⊙W with fixed pruned weights W; Ā repeats the rows of a matrix A.

    A ``[r, in]`` and b ``[out, 1]`` are trained: A starts with random values and b with zeros. The
    scale s is a constant. Ā ``[out, in]`` holds each row of A ⌈out/r⌉ times in succession, and is
    cut off after ``out`` rows. So if ``out`` is not a multiple of r, the last rows of A are
    repeated less often, or not used.
    """

    def __init__(self, stored: Tensor, layout: MatrixLayout, generator: Generator) -> None:
        super().__init__()
        self._layout = layout
        count, outputs, inputs = layout.oriented(stored).shape
        device = stored.device
        self.base = nn.Parameter(stored, requires_grad=False)
        self.rows = nn.Parameter(
            kaiming_uniform((count, ADAPTER_RANK, inputs), generator).to(device)
        )
        self.outputs = nn.Parameter(torch.zeros(count, outputs, 1, device=device))

    @override
    def forward(self) -> Tensor:
        return computed_again(self._sum, self.rows, self.outputs)

    def _sum(self, rows: Tensor, outputs: Tensor) -> Tensor:
        base = self.base.float()
        factor = self._layout.stored(repeated(rows, outputs.shape[1]) * outputs)
        return base.addcmul(factor, base, value=_SCALE)


def repeated(rows: Tensor, outputs: int) -> Tensor:
    """Return ``[matrices, outputs, in]``, with the r rows of each matrix ``[r, in]`` repeated.

    Each row occurs ⌈outputs/r⌉ times in succession; rows after the first ``outputs`` are cut off.
    """
    count, rank, inputs = rows.shape
    times = -(-outputs // rank)
    # Expanded rather than indexed: the backward of an index is not deterministic on a GPU.
    spread = rows[:, :, None].expand(count, rank, times, inputs)
    return spread.reshape(count, rank * times, inputs)[:, :outputs]
