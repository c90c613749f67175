"""The norms of the dense model's gradients, which some scores take."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from worker.pruning.base.durable_files import save_tensors


@dataclass(frozen=True)
class BlockGradients:
    """The norms of the gradients in one block's weights.

    Attributes:
        norms: over all windows, fp32, shaped as stored, by the parameters' names inside the block.
        windows: how many windows there were.
    """

    norms: Mapping[str, Tensor]
    windows: int


NO_GRADIENTS = BlockGradients({}, windows=0)


class GradientNorms:
    """The norms of the gradients in all weights, in one file for each block.

    Each is the norm, over all windows, of 100 times the gradient of a window's mean loss per token
    in the dense model.

    Args:
        folder: an existing folder for the files.
        dtype: dtype of the norms in the files: fp16 as published, or fp32.
        windows: how many windows were measured.
    """

    def __init__(self, folder: Path, dtype: torch.dtype, windows: int) -> None:
        self._folder, self._dtype, self._windows = folder, dtype, windows

    def write(self, index: int, norms: Mapping[str, Tensor]) -> None:
        """Write the norms of block ``index`` by the names of its parameters inside it."""
        most = torch.finfo(self._dtype).max
        stored = {name: norm.clamp(max=most).to("cpu", self._dtype) for name, norm in norms.items()}
        save_tensors(stored, self._file(index))

    def read(self, index: int) -> BlockGradients:
        """Return the gradients of block ``index``."""
        found = load_file(self._file(index))
        return BlockGradients({name: norm.float() for name, norm in found.items()}, self._windows)

    def _file(self, index: int) -> Path:
        return self._folder / f"block-{index}.safetensors"
