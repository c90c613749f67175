"""Reading the safetensors files of a checkpoint, tensor by tensor."""

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from math import prod
from pathlib import Path

import torch
from torch import Tensor

from worker.pruning.base.errors import CheckpointError
from worker.pruning.model.block_scales import EIGHT_BITS, SCALES, BlockScales
from worker.pruning.model.packed_weights import PACKED, QuantizedMatrix, part_names, unpack
from worker.pruning.model.stored_tensors import (
    UNQUANTIZED,
    PackedTensor,
    ScaledTensor,
    StoredTensor,
    read_header,
)

WHOLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
_COMPARED_BYTES = 1 << 22


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

    def scaled(self, blocks: BlockScales | None) -> "Checkpoint":
        """Return the checkpoint with each matrix of 8-bit floats as its weights, without scales.

        Args:
            blocks: how the matrices are scaled; None if the model has none.

        Raises:
            CheckpointError: a tensor of 8-bit floats has no such scales.
        """
        tensors = dict(self.tensors)
        for name, stored in self.tensors.items():
            if stored.dtype is not EIGHT_BITS:
                continue
            if blocks is None:
                reason = f"tensor {name!r} has dtype F8_E4M3, which is a quantized format"
                raise CheckpointError(reason, UNQUANTIZED)
            scales = tensors.pop(name + SCALES, None)
            if scales is None or not blocks.fit(stored.shape, scales.shape, scales.dtype):
                raise CheckpointError(
                    f"tensor {name!r} of 8-bit floats has no scales {name + SCALES!r}, one for "
                    f"each block of {blocks.rows} x {blocks.columns} values",
                    UNQUANTIZED,
                )
            place = (stored.file, stored.offset, stored.size_bytes)
            tensors[name] = ScaledTensor(*place, blocks.dtype, stored.shape, scales, blocks)
        return Checkpoint(tensors)

    @property
    def is_scaled(self) -> bool:
        """Whether it has matrices of 8-bit floats with scales."""
        return any(isinstance(stored, ScaledTensor) for stored in self.tensors.values())

    @property
    def parts(self) -> Iterator[tuple[str, StoredTensor]]:
        """All tensors of the files by name, the scales of matrices as well."""
        for name, stored in self.tensors.items():
            yield from zip((name, name + SCALES), stored.parts, strict=False)

    def read(self, name: str) -> Tensor:
        """Return one tensor in its dtype and shape; a packed or scaled matrix is dequantised.

        Raises:
            CheckpointError: the file ends inside the tensor.
        """
        stored = self.tensors[name]
        if isinstance(stored, ScaledTensor):
            return stored.blocks.weights(*self.read_stored(name).values())
        matrix = self.read_packed(name)
        return self._read(name, stored) if matrix is None else matrix.weights()

    def read_stored(self, name: str) -> dict[str, Tensor]:
        """Return the bytes of a tensor, and of its scales if it is a matrix of 8-bit floats.

        Each is given by the end of its name, which is empty for the tensor itself.

        Raises:
            CheckpointError: the file ends inside the tensor.
        """
        stored = self.tensors[name]
        if not isinstance(stored, ScaledTensor):
            return {"": self._read(name, stored)}
        values = self._bytes(name, stored, 0, stored.size_bytes).view(EIGHT_BITS)
        scales = self._read(name + SCALES, stored.scales)
        return {"": values.view(stored.shape), SCALES: scales}

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
        one, two = self.tensors[name].parts, other.tensors[name].parts
        layouts = [
            [(part.dtype, part.shape, part.size_bytes) for part in parts] for parts in (one, two)
        ]
        if layouts[0] != layouts[1]:
            return False
        for own, others in zip(one, two, strict=True):
            for start in range(0, own.size_bytes, _COMPARED_BYTES):
                size = min(_COMPARED_BYTES, own.size_bytes - start)
                part = other._bytes(name, others, start, size)
                if not torch.equal(self._bytes(name, own, start, size), part):
                    return False
        return True

    def read_ahead(self, names: Iterable[str]) -> None:
        """Have the system read tensors into its page cache, outside this process's memory."""
        if not hasattr(os, "posix_fadvise"):
            return
        for part in (part for name in names for part in self.tensors[name].parts):
            with part.file.open("rb") as file:
                os.posix_fadvise(
                    file.fileno(), part.offset, part.size_bytes, os.POSIX_FADV_WILLNEED
                )

    @property
    def counts(self) -> dict[str, int]:
        """How many numbers each tensor has, by name."""
        return {name: prod(stored.shape) for name, stored in self.tensors.items()}

    @property
    def stored_bytes(self) -> int:
        """The size of all tensors on disk, in bytes."""
        return self.size_bytes(self.tensors)

    def size_bytes(self, names: Iterable[str]) -> int:
        """Return the size of the named tensors on disk, in bytes."""
        return sum(part.size_bytes for name in names for part in self.tensors[name].parts)

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
