"""Safetensors files of any dtype, made from bytes."""

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from random import Random
from typing import Any

from zpruner.files.header import BITS


@dataclass(frozen=True)
class Content:
    """A tensor's dtype, shape and bytes."""

    dtype: str
    shape: tuple[int, ...]
    data: bytes


def random_content(dtype: str, shape: tuple[int, ...], zeros: float, seed: int = 0) -> Content:
    """Return random bytes, of which each number is zero with the probability ``zeros``."""
    random, unit = Random(seed), max(1, BITS[dtype] // 8)
    size = prod(shape) * BITS[dtype] // 8
    numbers = (
        bytes(unit) if random.random() < zeros else random.randbytes(unit)
        for _ in range(size // unit)
    )
    return Content(dtype, shape, b"".join(numbers))


def framed(header: Any, padding: int = 0) -> bytes:
    text = json.dumps(header).encode() + b" " * padding
    return struct.pack("<Q", len(text)) + text


def write_safetensors(
    path: Path,
    tensors: Mapping[str, Content],
    metadata: Mapping[str, str] | None = None,
    padding: int = 0,
) -> bytes:
    """Write a file with the tensors in this order; return its bytes."""
    header: dict[str, Any] = {} if metadata is None else {"__metadata__": metadata}
    reached = 0
    for name, one in tensors.items():
        offsets = [reached, reached := reached + len(one.data)]
        header[name] = {"dtype": one.dtype, "shape": one.shape, "data_offsets": offsets}
    content = framed(header, padding) + b"".join(one.data for one in tensors.values())
    path.write_bytes(content)
    return content
