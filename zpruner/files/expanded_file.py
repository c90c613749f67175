"""The original of a compact file, as releases before 0.3 wrote it, made while it is read."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from zpruner.files.elements import PIECE_BYTES, Flags, pieces, read_exactly, units_of
from zpruner.files.errors import FilesError
from zpruner.files.header import BITS, MAX_HEADER_BYTES, Header, StoredTensor

COMPACT_SUFFIX = ".compact.safetensors"
FORMAT, VERSION = "zpruner-compact", "1"
HEADER = "header"
"""The tensor that holds the original file's header."""
WHOLE, MASK, VALUES = "whole:", "mask:", "values:"
"""Prefixes of the names of the other tensors: all units of a tensor, or the bits that say which of
them are kept, and those."""
_DAMAGED = "it is damaged: get it again"


class ExpandedFile:
    """The original of a compact file; iterating yields its bytes.

    Everything that the headers say is checked against the sizes before a byte is yielded, and
    the masks against the kept values while they are read. No piece is larger than a megabyte,
    except for the header.

    Args:
        path: the compact file.

    Attributes:
        sha256: the digest that the original must have.
        size_bytes: the size of the original.

    Raises:
        FilesError: the file is damaged, or no compact file.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._compact = path, Header.of(path)
        self._stored = {tensor.name: tensor for tensor in self._compact.tensors}
        self.sha256 = self._checked_digest()
        self._original = Header.parse(self._original_header(), f"the original of {path.name}")
        self.size_bytes = self._original.size_bytes
        expected = {name for tensor in self._original.tensors for name in self._names(tensor)}
        if extra := self._stored.keys() - expected - {HEADER}:
            raise self._error(f"holds {ascii(min(extra))[:200]}, which belongs to no tensor")

    def __iter__(self) -> Iterator[bytes]:
        yield self._original.raw
        with self._path.open("rb") as file:
            for tensor in self._original.tensors:
                if WHOLE + tensor.name in self._stored:
                    yield from pieces(file, *self._place(WHOLE + tensor.name))
                else:
                    yield from self._filled(file, tensor)

    def _checked_digest(self) -> str:
        metadata = self._compact.metadata
        if metadata.get("format") != FORMAT:
            raise FilesError(
                f"{self._path.name} is not compact: name files that `zpruner compact` wrote"
            )
        if metadata.get("version") != VERSION:
            raise FilesError(
                f"{self._path.name} has the version {ascii(metadata.get('version'))[:80]} of the "
                f"compact form, which this zpruner cannot read: install a newer one"
            )
        if not re.fullmatch("[0-9a-f]{64}", digest := metadata.get("sha256", "")):
            raise self._error("lacks the sha256 of its original")
        return digest

    def _original_header(self) -> bytes:
        stored = self._stored.get(HEADER)
        if stored is None or stored.size_bytes > MAX_HEADER_BYTES:
            raise self._error("lacks the header of its original")
        with self._path.open("rb") as file:
            file.seek(self._place(HEADER)[0])
            return read_exactly(file, stored.size_bytes)

    def _names(self, tensor: StoredTensor) -> list[str]:
        """Return the names under which a tensor is stored; check their sizes and dtypes."""
        whole = self._stored.get(WHOLE + tensor.name)
        mask = self._stored.get(MASK + tensor.name)
        values = self._stored.get(VALUES + tensor.name)
        if whole is not None:
            if (whole.dtype, whole.shape) == (tensor.dtype, tensor.shape):
                return [whole.name]
        elif (
            mask is not None
            and values is not None
            and (mask.dtype, mask.size_bytes) == ("U8", -(-tensor.units // 8))
            and values.dtype == (tensor.dtype if BITS[tensor.dtype] >= 8 else "U8")
        ):
            return [mask.name, values.name]
        raise self._error(f"does not hold tensor {ascii(tensor.name)[:200]} as its header says")

    def _filled(self, file: BinaryIO, tensor: StoredTensor) -> Iterator[bytes]:
        """Yield the bytes of a tensor whose zeros are not stored."""
        mask_begin, mask_end = self._place(MASK + tensor.name)
        at, end = self._place(VALUES + tensor.name)
        left, unit = tensor.units, tensor.unit
        for mask in pieces(file, mask_begin, mask_end, PIECE_BYTES // unit // 8):
            flags = self._flags(mask, min(left, 8 * len(mask)), tensor)
            size = int(np.count_nonzero(flags)) * unit
            if at + size > end:
                raise self._miscounted(tensor)
            file.seek(at)
            filled = np.zeros(len(flags), np.dtype(f"<u{unit}"))
            filled[flags] = units_of(read_exactly(file, size), unit)
            yield filled.tobytes()
            at, left = at + size, left - len(flags)
        if at != end:
            raise self._miscounted(tensor)

    def _flags(self, mask: bytes, count: int, tensor: StoredTensor) -> Flags:
        """Return the first ``count`` bits of a mask; the others must be 0."""
        bits = np.unpackbits(np.frombuffer(mask, np.uint8), bitorder="little").astype(np.bool_)
        if bits[count:].any():
            raise self._miscounted(tensor)
        return bits[:count]

    def _place(self, name: str) -> tuple[int, int]:
        start, stored = len(self._compact.raw), self._stored[name]
        return start + stored.begin, start + stored.end

    def _miscounted(self, tensor: StoredTensor) -> FilesError:
        return self._error(
            f"has a mask for tensor {ascii(tensor.name)[:200]} that does not fit its values"
        )

    def _error(self, what: str) -> FilesError:
        return FilesError(f"{self._path.name} {what}; {_DAMAGED}")
