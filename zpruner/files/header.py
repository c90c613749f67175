"""The headers of safetensors files, checked before anything is read by them."""

import os
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

from zpruner.files.errors import AGAIN, FilesError, WeightsError
from zpruner.files.strict_json import MAX_VALUES, parse_json

BITS = {
    **{"F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "BOOL": 8, "U8": 8, "I8": 8},
    **{"F8_E4M3": 8, "F8_E4M3FNUZ": 8, "F8_E5M2": 8, "F8_E5M2FNUZ": 8, "F8_E8M0": 8},
    **{"F16": 16, "BF16": 16, "I16": 16, "U16": 16, "F32": 32, "I32": 32, "U32": 32},
    **{"F64": 64, "I64": 64, "U64": 64, "C64": 64},
}
"""Bits per number, for each dtype of safetensors files."""
SUFFIX = ".safetensors"
METADATA = "__metadata__"
MAX_HEADER_BYTES = 25_000_000
MAX_DIMENSIONS = 64
LENGTH_BYTES = 8
"""A file begins with the length of its header."""


@dataclass(frozen=True)
class StoredTensor:
    """A tensor in a file; ``begin`` and ``end`` are offsets after the header."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int

    @property
    def unit(self) -> int:
        """Bytes of one number; 1 if several numbers share a byte."""
        return max(1, BITS[self.dtype] // 8)

    @property
    def size_bytes(self) -> int:
        return self.end - self.begin

    @property
    def units(self) -> int:
        """How many units the tensor has: its numbers, or its bytes if numbers share them."""
        return self.size_bytes // self.unit


@dataclass(frozen=True)
class Header:
    """The header of a file.

    Attributes:
        file: the file's name, for errors.
        raw: its bytes, with those of its length.
        metadata: the texts that it holds by name.
        tensors: the tensors in the order of their bytes, which fill the file after the header.
    """

    file: str
    raw: bytes
    metadata: dict[str, str]
    tensors: tuple[StoredTensor, ...]

    @property
    def data_bytes(self) -> int:
        """The size of all tensors."""
        return self.tensors[-1].end if self.tensors else 0

    @property
    def size_bytes(self) -> int:
        """The size of the file."""
        return len(self.raw) + self.data_bytes

    @classmethod
    def of(cls, path: Path) -> "Header":
        """Read the header of the file at this path, as `read` does."""
        with path.open("rb") as file:
            return cls.read(file)

    @classmethod
    def read(cls, file: BinaryIO) -> "Header":
        """Read the header of an open file, and check that its tensors fill the file.

        Raises:
            WeightsError: the file is damaged, or no safetensors file.
        """
        name, size = Path(file.name).name, file.seek(0, os.SEEK_END)
        file.seek(0)
        header = cls.parse(_raw(file, size, name), name)
        for tensor in header.tensors:
            if len(header.raw) + tensor.end > size:
                reason = f"ends inside tensor {_shown(tensor.name)}: it is truncated"
                raise WeightsError(name, reason, "truncated")
        if header.size_bytes != size:
            raise WeightsError(name, "has bytes that belong to no tensor")
        return header

    @classmethod
    def parse(cls, raw: bytes, file: str) -> "Header":
        """Parse a header with its length.

        Raises:
            FilesError: it is no header, has too many values, or its tensors overlap or leave gaps.
        """
        entries = _entries(raw, file)
        metadata = entries.pop(METADATA, {})
        if not isinstance(metadata, dict) or not all(
            isinstance(text, str) for text in metadata.values()
        ):
            raise WeightsError(file, "has metadata that are not texts by name")
        tensors = [_tensor(name, entry, file) for name, entry in entries.items()]
        tensors.sort(key=lambda tensor: (tensor.begin, tensor.end))
        reached = 0
        for tensor in tensors:
            if tensor.begin != reached:
                reason = f"has a gap or an overlap before tensor {_shown(tensor.name)}"
                raise WeightsError(file, reason)
            reached = tensor.end
        return cls(file, raw, metadata, tuple(tensors))


def _raw(file: BinaryIO, size: int, name: str) -> bytes:
    start = file.read(LENGTH_BYTES)
    length = header_bytes(start)
    if length > MAX_HEADER_BYTES:
        reason = f"claims a header of {length:,} bytes, more than 25 MB"
        raise WeightsError(name, reason, "oversized", f"if it is a safetensors file, {AGAIN}")
    if size < LENGTH_BYTES + length or length < len("{}"):
        raise WeightsError(name, "ends before its header does: it is truncated", "truncated")
    return start + file.read(length)


def header_bytes(start: bytes) -> int:
    """Return the length of a header, which the first bytes of a file give; 0 if they are fewer."""
    return int.from_bytes(start, "little") if len(start) == LENGTH_BYTES else 0


def _entries(raw: bytes, file: str) -> dict[str, Any]:
    text = raw[LENGTH_BYTES:]
    if header_bytes(raw[:LENGTH_BYTES]) != len(text):
        raise WeightsError(file, "has a header of another length than it claims")
    if len(text) > MAX_HEADER_BYTES:
        raise FilesError(f"{file} needs a header of {len(text):,} bytes; split the file")
    if sum(map(text.count, (b",", b"[", b"{"))) > MAX_VALUES:
        reason = f"has a header of more than {MAX_VALUES:,} values"
        raise WeightsError(file, reason, remedy="split the file")
    try:
        entries = parse_json(text)
    except ValueError:
        raise WeightsError(file, "has a header that is not JSON") from None
    if not isinstance(entries, dict):
        raise WeightsError(file, "has a header that is not a JSON object")
    return entries


def _tensor(name: str, entry: Any, file: str) -> StoredTensor:
    """Return a tensor; check that its offsets fit its shape and dtype."""
    try:
        dtype, shape, (begin, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
        numbers = (*shape, begin, end)
        is_valid = isinstance(dtype, str) and isinstance(shape, list)
        is_valid = is_valid and len(numbers) <= MAX_DIMENSIONS
        is_valid = is_valid and all(
            type(number) is int and 0 <= number < 2**63 for number in numbers
        )
    except (KeyError, TypeError, ValueError):
        is_valid = False
    if not is_valid:
        raise WeightsError(file, f"does not describe tensor {_shown(name)}")
    if dtype not in BITS:
        reason = f"has tensor {_shown(name)} of the dtype {_shown(dtype)}"
        raise WeightsError(file, reason, "dtype", f"store it in one of {', '.join(BITS)}")
    if 8 * (end - begin) != prod(shape) * BITS[dtype]:
        reason = f"has a size for tensor {_shown(name)} that does not fit its shape"
        raise WeightsError(file, reason)
    return StoredTensor(name, dtype, tuple(shape), begin, end)


def _shown(name: str) -> str:
    return f"{name!r:.200}"
