"""The layout of a compact file, which is itself a safetensors file."""

from collections.abc import Sequence
from dataclasses import dataclass

from zpruner.files.header import BITS, Header, StoredTensor

COMPACT_SUFFIX = ".compact.safetensors"
FORMAT, VERSION = "zpruner-compact", "1"
HEADER = "header"
"""The tensor that holds the original file's header."""
WHOLE, MASK, VALUES = "whole:", "mask:", "values:"
"""Prefixes of the names of the other tensors."""


@dataclass(frozen=True)
class Part:
    """A tensor of a compact file.

    Attributes:
        kind: `HEADER`, or a prefix.
        name: the kind, and the name of the original tensor.
        dtype, shape, size_bytes: as the compact file has them.
        unit: bytes of one number.
        source: the original tensor; None for the header.
    """

    kind: str
    name: str
    dtype: str
    shape: tuple[int, ...]
    size_bytes: int
    unit: int
    source: StoredTensor | None = None


def parts(header: Header, kept: Sequence[int]) -> list[Part]:
    """Return the parts of a file's compact form, in the order of their bytes.

    Larger numbers come first, so that each part is aligned.

    Args:
        header: the header of the original file.
        kept: how many units of each tensor are not zero.
    """
    raw = len(header.raw)
    found = [Part(HEADER, HEADER, "U8", (raw,), raw, 1)]
    for tensor, count in zip(header.tensors, kept, strict=True):
        found += _masked(tensor, count) or [_whole(tensor)]
    return sorted(found, key=lambda part: -part.unit)


def mask_bytes(tensor: StoredTensor) -> int:
    """Return the size of a tensor's bit mask."""
    return -(-tensor.units // 8)


def values_dtype(tensor: StoredTensor) -> str:
    """Return the dtype of a tensor's kept units."""
    return tensor.dtype if BITS[tensor.dtype] >= 8 else "U8"


def _masked(tensor: StoredTensor, count: int) -> list[Part]:
    """Return a tensor's mask and values; nothing if they are not smaller than the tensor."""
    mask, values = mask_bytes(tensor), count * tensor.unit
    if mask + values >= tensor.size_bytes:
        return []
    name, dtype, unit = tensor.name, values_dtype(tensor), tensor.unit
    return [
        Part(MASK, MASK + name, "U8", (mask,), mask, 1, tensor),
        Part(VALUES, VALUES + name, dtype, (count,), values, unit, tensor),
    ]


def _whole(tensor: StoredTensor) -> Part:
    name, size = WHOLE + tensor.name, tensor.size_bytes
    return Part(WHOLE, name, tensor.dtype, tensor.shape, size, tensor.unit, tensor)
