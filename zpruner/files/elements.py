"""The bytes of tensors, read piece by piece, so that memory never holds a whole tensor."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from zpruner.files.errors import FilesError

Flags = npt.NDArray[np.bool_]
Units = npt.NDArray[np.unsignedinteger[Any]]

PIECE_BYTES = 1 << 20
"""The size of the pieces: small, because Python's other threads wait while a piece is converted."""


def read_exactly(file: BinaryIO, size: int) -> bytes:
    """Read bytes from where the file stands.

    Raises:
        FilesError: the file ends earlier.
    """
    data = file.read(size)
    if len(data) < size:
        raise FilesError(f"{Path(file.name).name} was truncated while it was read; try again")
    return data


def pieces(file: BinaryIO, begin: int, end: int, piece_bytes: int = PIECE_BYTES) -> Iterator[bytes]:
    """Yield the bytes from ``begin`` to ``end`` of a file."""
    for start in range(begin, end, piece_bytes):
        file.seek(start)
        yield read_exactly(file, min(piece_bytes, end - start))


def units_of(data: bytes, unit: int) -> Units:
    """Return the bit patterns of numbers of ``unit`` bytes."""
    units: Units = np.frombuffer(data, np.dtype(f"<u{unit}"))
    return units
