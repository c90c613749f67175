"""A job's file that is compared with its digest while it is read."""

import io
import os
from collections.abc import Callable
from hashlib import sha256
from typing import BinaryIO

from db.core.errors import ArtifactDamagedError
from db.tables.artifacts import Artifact


class ArtifactReader(io.BufferedIOBase):
    """Reads a file, and fails at its end if the bytes are not those that the job wrote.

    A file may be read several times, as clients repeat requests; the first time, it must be read
    in order. Clients may replace an exception by one of their own, so the first one is kept.

    Attributes:
        failure: the exception that `read` raised first; None if it raised none.
    """

    def __init__(self, file: BinaryIO, artifact: Artifact, on_read: Callable[[int], None]) -> None:
        """Take over an open file; ``on_read`` gets the position after each read, and may raise."""
        self._artifact, self._on_read = artifact, on_read
        self._digest, self._hashed = sha256(), 0
        self.failure: Exception | None = None
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._file.tell()

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        return self._file.seek(offset, whence)

    def read(self, size: int | None = -1, /) -> bytes:
        try:
            return self._read(-1 if size is None else size)
        except Exception as error:  # kept, because clients replace it by an error of their own
            self.failure = self.failure or error
            raise

    def close(self) -> None:
        self._file.close()
        super().close()

    def _read(self, size: int) -> bytes:
        start = self._file.tell()
        data = self._file.read(size)
        end = start + len(data)
        if start <= self._hashed < end:
            self._digest.update(data[self._hashed - start :])
            self._hashed = end
        self._compare(is_at_end=not data and size != 0)
        self._on_read(end)
        return data

    def _compare(self, *, is_at_end: bool) -> None:
        expected = self._artifact.size_bytes
        if self._hashed > expected or (is_at_end and self._file.tell() < expected):
            size = self._file.seek(0, os.SEEK_END)
            raise self._damaged(f"its file has {size} bytes now")
        if self._hashed == expected and self._digest.hexdigest() != self._artifact.sha256:
            raise self._damaged(f"its sha256 is {self._digest.hexdigest()} now")

    def _damaged(self, damage: str) -> ArtifactDamagedError:
        return ArtifactDamagedError(self._artifact.id, self._artifact.name, damage)
