"""The norms of the dense model's gradients, which some scores use."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from worker.pruning.base.durable_files import save_tensors


@dataclass(frozen=True)
class BlockGradients:
    """The norms of the gradients of one block's weights.

    Attributes:
        norms: for each measured parameter, by its name in the block, the norm of each weight's
            gradients over all windows: an fp32 tensor of the parameter's stored shape.
        windows: how many windows were measured.
    """

    norms: Mapping[str, Tensor]
    windows: int


NO_GRADIENTS = BlockGradients({}, windows=0)


class GradientNorms:
    """The norm of each weight's gradient, stored in one file per block.

    In each window, a weight has one gradient: that of the dense model's mean loss per token, times
    100. The norm is taken over the gradients of all windows.

    Args:
        folder: an existing folder for the files.
        dtype: dtype of the norms in the files: fp16 as published, or fp32.
        windows: how many windows were measured.
    """

    def __init__(self, folder: Path, dtype: torch.dtype, windows: int) -> None:
        self._folder, self._dtype, self._windows = folder, dtype, windows

    def write(self, index: int, norms: Mapping[str, Tensor]) -> None:
        """Write the norms of block ``index``, keyed by the parameters' names in the block.

        A norm too large for the files' dtype is replaced by the largest number of this dtype.
        """
        most = torch.finfo(self._dtype).max
        stored = {name: norm.clamp(max=most).to("cpu", self._dtype) for name, norm in norms.items()}
        save_tensors(stored, self._file(index))

    def read(self, index: int) -> BlockGradients:
        """Return the gradient norms of block ``index``."""
        norms = load_file(self._file(index))
        return BlockGradients({name: norm.float() for name, norm in norms.items()}, self._windows)

    def _file(self, index: int) -> Path:
        return self._folder / f"block-{index}.safetensors"
