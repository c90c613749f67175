"""The compact form of a safetensors file, made while it is read."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Self

import numpy as np

from zpruner.files.compact_layout import FORMAT, MASK, VALUES, VERSION, Part, parts
from zpruner.files.elements import pieces, units_of
from zpruner.files.header import METADATA, Header, StoredTensor, framed


class CompactFile:
    """The compact form of a file; iterating yields its bytes, the same every time.

    Creating it reads the file once, to count what is kept. No piece that it yields or reads is
    larger than a megabyte, except for the header.

    Args:
        open_file: opens the original file, whose name is for errors.
        sha256: the digest of the file, if it is known.

    Attributes:
        header: the header of the original file.
        size_bytes: the size of the compact form.

    Raises:
        FilesError: the file is damaged, no safetensors file, or has too many tensors.
    """

    def __init__(self, open_file: Callable[[], BinaryIO], sha256: str | None = None) -> None:
        self._open = open_file
        with open_file() as file:
            self.header = Header.read(file)
            digest = hashlib.sha256(self.header.raw)
            kept = [self._kept(file, tensor, digest, sha256) for tensor in self.header.tensors]
        self._parts = parts(self.header, kept)
        self._start = framed(_header(self._parts, sha256 or digest.hexdigest()))
        Header.parse(self._start, self.header.file)  # what could not be read again is refused now
        self.size_bytes = len(self._start) + sum(part.size_bytes for part in self._parts)

    @classmethod
    def at(cls, path: Path, sha256: str | None = None) -> Self:
        """Return the compact form of the file at this path."""
        return cls(lambda: path.open("rb"), sha256)

    def __iter__(self) -> Iterator[bytes]:
        yield self._start
        with self._open() as file:
            for part in self._parts:
                yield from self._bytes(file, part)

    def _kept(self, file: BinaryIO, tensor: StoredTensor, digest: Any, sha256: str | None) -> int:
        """Return how many units of a tensor are not zero; update the digest if it is needed."""
        count = 0
        for data in self._pieces(file, tensor):
            count += int(np.count_nonzero(units_of(data, tensor.unit)))
            if sha256 is None:
                digest.update(data)
        return count

    def _bytes(self, file: BinaryIO, part: Part) -> Iterator[bytes]:
        if part.source is None:
            yield self.header.raw
            return
        for data in self._pieces(file, part.source):
            units = units_of(data, part.source.unit)
            if part.kind == MASK:
                yield np.packbits(units != 0, bitorder="little").tobytes()
            elif part.kind == VALUES:
                yield units[units != 0].tobytes()
            else:
                yield data

    def _pieces(self, file: BinaryIO, tensor: StoredTensor) -> Iterator[bytes]:
        start = len(self.header.raw)
        return pieces(file, start + tensor.begin, start + tensor.end)


def _header(compact: list[Part], sha256: str) -> dict[str, Any]:
    entries: dict[str, Any] = {METADATA: {"format": FORMAT, "version": VERSION, "sha256": sha256}}
    reached = 0
    for part in compact:
        entries[part.name] = {
            "dtype": part.dtype,
            "shape": part.shape,
            "data_offsets": [reached, reached + part.size_bytes],
        }
        reached += part.size_bytes
    return entries
