"""Reading the safetensors files of a checkpoint, tensor by tensor."""

import json
import os
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from worker.pruning.base.errors import CheckpointError
from worker.pruning.model.packed_weights import PACKED, QuantizedMatrix, part_names, unpack

WHOLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
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
_COMPARED_BYTES = 1 << 22


@dataclass(frozen=True)
class StoredTensor:
    """The location, dtype and shape of one tensor in a file."""

    file: Path
    offset: int
    size_bytes: int
    dtype: torch.dtype
    shape: tuple[int, ...]


@dataclass(frozen=True)
class PackedTensor(StoredTensor):
    """A matrix whose weights are packed integers, with ``scales`` in the dtype of its weights."""

    scales: StoredTensor


class Checkpoint:
    """The tensors of a checkpoint by name.

    Tensors are read into new memory. With a memory map, every page that was read would count as
    this process's memory.
    """

    def __init__(self, tensors: dict[str, StoredTensor]) -> None:
        self.tensors = tensors

    @classmethod
    def open(cls, folder: Path) -> "Checkpoint":
        """Read the headers of the safetensors files in a folder.

        If ``model.safetensors`` exists, it is the only file that is read. Without it, the files
        that the index names are read, or all safetensors files if there is no index.

        Raises:
            CheckpointError: there is no file, a file is damaged, a tensor is quantized, or two
                files contain the same tensor.
        """
        return cls.from_files(_files(folder))

    @classmethod
    def from_files(cls, files: Iterable[Path]) -> "Checkpoint":
        """Read the headers of these safetensors files.

        Raises:
            CheckpointError: a file is damaged, a tensor is quantized, or two files contain the same
                tensor.
        """
        tensors: dict[str, StoredTensor] = {}
        for file in files:
            for name, stored in read_header(file).items():
                if name in tensors:
                    raise CheckpointError(
                        f"tensor {name!r} is in {tensors[name].file.name} and in {file.name}",
                        "remove it from one of them",
                    )
                tensors[name] = stored
        return cls(tensors)

    def overlaid(self, other: "Checkpoint") -> "Checkpoint":
        """Return a copy with the tensors of ``other``, replacing any tensors of the same name."""
        return Checkpoint(self.tensors | other.tensors)

    def dequantized(self) -> "Checkpoint":
        """Return the checkpoint with each packed matrix as one tensor, the matrix's weights."""
        tensors = dict(self.tensors)
        for name in self.tensors:
            if not name.endswith(PACKED):
                continue
            weight = name.removesuffix(PACKED)
            packed, scales, shape = (tensors.pop(part) for part in part_names(weight))
            size = tuple(self._read(name, shape).tolist())
            tensors[weight] = PackedTensor(
                packed.file, packed.offset, packed.size_bytes, scales.dtype, size, scales
            )
        return Checkpoint(tensors)

    def read(self, name: str) -> Tensor:
        """Return one tensor in its stored dtype and shape; a packed matrix is dequantised.

        Raises:
            CheckpointError: the file ends inside the tensor.
        """
        matrix = self.read_packed(name)
        return self._read(name, self.tensors[name]) if matrix is None else matrix.weights()

    def read_packed(self, name: str) -> QuantizedMatrix | None:
        """Return the integers and scales of a packed matrix; None if the tensor is not packed.

        Raises:
            CheckpointError: the file ends inside the matrix.
        """
        stored = self.tensors[name]
        if not isinstance(stored, PackedTensor):
            return None
        words = self._bytes(name, stored, 0, stored.size_bytes).view(torch.int32)
        rows, width = stored.shape
        integers = unpack(words.view(rows, -1), width)
        bits = 8 * stored.size_bytes // (rows * width)
        return QuantizedMatrix(integers, self._read(name, stored.scales), bits)

    def read_row(self, name: str, row: int) -> Tensor:
        """Return ``tensor[row]`` of one tensor, without reading the rest of it.

        Raises:
            CheckpointError: the file ends inside the tensor.
        """
        stored = self.tensors[name]
        size = stored.size_bytes // stored.shape[0]
        row_bytes = self._bytes(name, stored, row * size, size)
        return row_bytes.view(stored.dtype).view(stored.shape[1:])

    def read_rows(self, name: str, rows: Sequence[int]) -> Tensor:
        """Return ``tensor[rows]`` of one tensor, whose other rows are not read.

        Args:
            name: the tensor's name.
            rows: the rows in ascending order.

        Raises:
            CheckpointError: the file ends inside the tensor.
        """
        stored = self.tensors[name]
        size = stored.size_bytes // stored.shape[0]
        result = torch.empty(len(rows) * size, dtype=torch.uint8)
        for place, row, count in _runs(rows):
            of_run = self._bytes(name, stored, row * size, count * size)
            result[place * size : (place + count) * size] = of_run
        return result.view(stored.dtype).view(-1, *stored.shape[1:])

    def stores_same(self, other: "Checkpoint", name: str) -> bool:
        """Whether two checkpoints store a tensor as the same bytes, of which few are read at once.

        Raises:
            CheckpointError: a file ends inside the tensor.
        """
        one, two = self.tensors[name], other.tensors[name]
        if (one.dtype, one.shape, one.size_bytes) != (two.dtype, two.shape, two.size_bytes):
            return False
        for start in range(0, one.size_bytes, _COMPARED_BYTES):
            size = min(_COMPARED_BYTES, one.size_bytes - start)
            part = other._bytes(name, two, start, size)
            if not torch.equal(self._bytes(name, one, start, size), part):
                return False
        return True

    def read_ahead(self, names: Iterable[str]) -> None:
        """Have the system read tensors into its page cache, outside this process's memory."""
        if not hasattr(os, "posix_fadvise"):
            return
        for name in names:
            stored = self.tensors[name]
            with stored.file.open("rb") as file:
                os.posix_fadvise(
                    file.fileno(), stored.offset, stored.size_bytes, os.POSIX_FADV_WILLNEED
                )

    def size_bytes(self, names: Iterable[str]) -> int:
        """Return the size of the named tensors on disk, in bytes."""
        return sum(self.tensors[name].size_bytes for name in names)

    def _read(self, name: str, stored: StoredTensor) -> Tensor:
        return self._bytes(name, stored, 0, stored.size_bytes).view(stored.dtype).view(stored.shape)

    def _bytes(self, name: str, stored: StoredTensor, start: int, size: int) -> Tensor:
        """Return ``size`` bytes of a tensor from offset ``start``: ``[size]`` uint8."""
        buffer = torch.empty(size, dtype=torch.uint8)
        with stored.file.open("rb", buffering=0) as file:
            file.seek(stored.offset + start)
            view = memoryview(buffer.numpy().data)
            while view:
                if not (count := file.readinto(view)):
                    raise CheckpointError(f"{stored.file.name} ends inside tensor {name!r}")
                view = view[count:]
        return buffer


def _runs(rows: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """Yield the place of each run of neighbouring rows, its first row and the number of them."""
    start = 0
    for place in range(1, len(rows) + 1):
        if place == len(rows) or rows[place] != rows[place - 1] + 1:
            yield start, rows[start], place - start
            start = place


def _files(folder: Path) -> list[Path]:
    whole, index = folder / WHOLE, folder / INDEX
    if whole.is_file():
        return [whole]
    if index.is_file():
        return [
            folder / name
            for name in sorted(set(json.loads(index.read_text())["weight_map"].values()))
        ]
    if files := sorted(folder.glob("*.safetensors")):
        return files
    raise CheckpointError(f"{folder} contains no safetensors file", "provide one")


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
    dtype = DTYPES.get(str(entry["dtype"]))
    if dtype is None:
        raise CheckpointError(
            f"tensor {name!r} has dtype {entry['dtype']}, which is a quantized format",
            "provide the unquantized checkpoint",
        )
    return StoredTensor(path, start + begin, end - begin, dtype, tuple(entry["shape"]))
