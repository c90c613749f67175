"""The content of a safetensors file that was just written, while its tensors are in memory."""

import hashlib
import json
import struct
from bisect import bisect_right
from collections.abc import Mapping
from functools import cached_property
from io import SEEK_CUR, SEEK_END, SEEK_SET, BufferedReader, RawIOBase
from itertools import accumulate
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

_BUFFER_BYTES = 1 << 20


class FileContent:
    """The bytes of a file: its header, which is read, and its tensors, which are not.

    Args:
        path: the file.
        tensors: its tensors by name, contiguous and in host memory.
    """

    def __init__(self, path: Path, tensors: Mapping[str, Tensor]) -> None:
        self.name = path.name
        with path.open("rb") as file:
            size = file.read(8)
            text = file.read(*struct.unpack("<Q", size))
        entries = json.loads(text)
        entries.pop("__metadata__", None)
        names = sorted(entries, key=lambda name: entries[name]["data_offsets"])
        self.parts = [memoryview(size + text), *(_bytes(tensors[name]) for name in names)]

    @cached_property
    def sha256(self) -> str:
        """The hexadecimal SHA-256."""
        digest = hashlib.sha256()
        for part in self.parts:
            digest.update(part)
        return digest.hexdigest()

    def open(self) -> BufferedReader:
        """Open it, as the file itself is opened."""
        return BufferedReader(_Reader(self), _BUFFER_BYTES)


class _Reader(RawIOBase):
    def __init__(self, content: FileContent) -> None:
        self.name = content.name
        self._parts, self._at = content.parts, 0
        self._starts = list(accumulate(map(len, content.parts), initial=0))

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = SEEK_SET, /) -> int:
        self._at = {SEEK_SET: 0, SEEK_CUR: self._at, SEEK_END: self._starts[-1]}[whence] + offset
        return self._at

    def readinto(self, buffer: Any, /) -> int:
        if self._at >= self._starts[-1]:
            return 0
        index = bisect_right(self._starts, self._at) - 1
        target, begin = memoryview(buffer), self._at - self._starts[index]
        data = self._parts[index][begin : begin + len(target)]
        target[: len(data)] = data
        self._at += len(data)
        return len(data)


def _bytes(tensor: Tensor) -> memoryview:
    return memoryview(tensor.reshape(-1).view(torch.uint8).numpy().data)
