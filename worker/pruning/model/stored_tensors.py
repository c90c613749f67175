"""Tensors as the headers of safetensors files describe them."""

import json
import math
import struct
from dataclasses import dataclass
from pathlib import Path

import torch

from worker.pruning.base.errors import CheckpointError
from worker.pruning.model.block_scales import EIGHT_BITS, BlockScales

DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
"""The dtypes of unquantized tensors, by their names in safetensors files."""
_READ = DTYPES | {"F8_E4M3": EIGHT_BITS}
UNQUANTIZED = "provide the unquantized checkpoint"


@dataclass(frozen=True)
class StoredTensor:
    """The location, dtype and shape of one tensor in a file."""

    file: Path
    offset: int
    size_bytes: int
    dtype: torch.dtype
    shape: tuple[int, ...]

    @property
    def parts(self) -> "tuple[StoredTensor, ...]":
        """The tensors of the files that it is read from: itself, and its scales if it has any."""
        return (self,)

    @property
    def read_bytes(self) -> int:
        """The size in memory once it is read."""
        return math.prod(self.shape) * self.dtype.itemsize


@dataclass(frozen=True)
class PackedTensor(StoredTensor):
    """A matrix whose weights are packed integers, with ``scales`` in the dtype of its weights."""

    scales: StoredTensor


@dataclass(frozen=True)
class ScaledTensor(StoredTensor):
    """A matrix of 8-bit floats with ``scales``; ``dtype`` is that of the weights that are read."""

    scales: StoredTensor
    blocks: BlockScales

    @property
    def parts(self) -> tuple[StoredTensor, ...]:
        """The values and the scales."""
        return (self, self.scales)


def read_header(path: Path) -> dict[str, StoredTensor]:
    """Return the tensors that a file's header lists, by name (safetensors format).

    Raises:
        CheckpointError: the header cannot be read, or a tensor is quantized.
    """
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(length))
    except (OSError, struct.error, ValueError) as error:
        raise CheckpointError(f"{path.name} has no readable safetensors header: {error}") from error
    header.pop("__metadata__", None)
    return {name: _stored(path, 8 + length, name, entry) for name, entry in header.items()}


def _stored(path: Path, start: int, name: str, entry: dict[str, list[int]]) -> StoredTensor:
    begin, end = entry["data_offsets"]
    dtype = _READ.get(str(entry["dtype"]))
    if dtype is None:
        raise CheckpointError(
            f"tensor {name!r} has dtype {entry['dtype']}, which is a quantized format",
            UNQUANTIZED,
        )
    return StoredTensor(path, start + begin, end - begin, dtype, tuple(entry["shape"]))
