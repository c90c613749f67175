"""Counts how often each byte of the weight files is read."""

import builtins
import io
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zpruner.files.header import Header


class CountedReads:
    """The ranges that Python code has read from safetensors files, by file.

    What a program asks for counts, from the page cache or not. Each tensor counts, headers do not.
    """

    def __init__(self) -> None:
        self._ranges: defaultdict[Path, list[tuple[int, int]]] = defaultdict(list)

    @classmethod
    def begin(cls, monkeypatch: pytest.MonkeyPatch) -> "CountedReads":
        """Count from now on, in this process."""
        counted, opened = cls(), io.open

        def open_counted(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
            if mode == "rb" and str(file).endswith(".safetensors"):
                return _CountedFile(file, counted._ranges)
            return opened(file, mode, *args, **kwargs)

        monkeypatch.setattr(io, "open", open_counted)
        monkeypatch.setattr(builtins, "open", open_counted)
        return counted

    def of_tensors(self, folder: Path) -> dict[str, int]:
        """Return how often the most read byte of each tensor of a folder was read."""
        found = {}
        for path in sorted(folder.glob("*.safetensors")):
            read = list(self._ranges[path.resolve()])
            times = np.zeros(path.stat().st_size, dtype=np.int64)
            for begin, end in read:
                times[begin:end] += 1
            header = Header.of(path)
            start = len(header.raw)
            for one in header.tensors:
                found[one.name] = int(times[start + one.begin : start + one.end].max(initial=0))
        return found


class _CountedFile(io.FileIO):
    def __init__(self, path: Any, ranges: defaultdict[Path, list[tuple[int, int]]]) -> None:
        super().__init__(path, "rb")
        self._ranges = ranges[Path(path).resolve()]

    def read(self, size: int | None = -1, /) -> bytes:
        begin = self.tell()
        data = super().read(-1 if size is None else size) or b""
        self._ranges.append((begin, begin + len(data)))
        return data

    def readinto(self, buffer: Any, /) -> int:
        begin = self.tell()
        count = super().readinto(buffer) or 0
        self._ranges.append((begin, begin + count))
        return count
