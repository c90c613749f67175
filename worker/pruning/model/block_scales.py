"""Matrices of 8-bit floats as they are stored: with a scale for each block of a matrix.

The layout is `fp8` with `weight_block_size`, as DeepSeek-V3 has it; transformers and vLLM read it.
"""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor
from transformers import PretrainedConfig

EIGHT_BITS = torch.float8_e4m3fn
"""The dtype of the stored values, which has NaN and no infinity."""
SCALES = "_scale_inv"
"""The end of the name of a matrix's scales, which follows the name of the matrix."""


@dataclass(frozen=True)
class BlockScales:
    """How a model's matrices of 8-bit floats are scaled, and how they are read.

    Attributes:
        rows, columns: the shape of a block, whose values share a scale; the last ones of a matrix
            may be smaller.
        dtype: the dtype of the weights that are read.
    """

    rows: int
    columns: int
    dtype: torch.dtype

    @classmethod
    def of(cls, config: PretrainedConfig, dtype: torch.dtype) -> Self | None:
        """Return what a model's config describes; None if it has no such matrices."""
        entry = getattr(config, "quantization_config", None)
        size = entry.get("weight_block_size") if isinstance(entry, dict) else None
        if not size:
            return None
        rows, columns = size
        return cls(rows, columns, dtype)

    def fit(self, shape: tuple[int, ...], scales: tuple[int, ...], dtype: torch.dtype) -> bool:
        """Return whether a tensor of this shape is a matrix with scales of that shape and dtype."""
        if len(shape) != 2 or not dtype.is_floating_point:
            return False
        return scales == (-(-shape[0] // self.rows), -(-shape[1] // self.columns))

    def weights(self, values: Tensor, scales: Tensor) -> Tensor:
        """Return each value times the scale of its block, multiplied in float32.

        Args:
            values: ``[out, in]`` float8_e4m3fn.
            scales: ``[blocks of out, blocks of in]``, any float dtype.

        Returns:
            ``[out, in]`` in `dtype`.
        """
        rows, columns = values.shape
        of_columns = scales.float().repeat_interleave(self.columns, 1)[:, :columns]
        of_values = of_columns.repeat_interleave(self.rows, 0)[:rows]
        return of_values.mul_(values.float()).to(self.dtype)
