"""An object of a bucket, as a file that can be read from any position."""

import io
import os
from typing import Protocol

from db.buckets.bucket import Bucket, StoredObject


class _WritableBuffer(Protocol):
    """The type of buffers that `io.RawIOBase.readinto` fills."""

    def __buffer__(self, flags: int, /) -> memoryview: ...


class ObjectReader(io.RawIOBase):
    """Each read is a request, so wrap this in an `io.BufferedReader`.

    Attributes:
        name: the name of the object, as that of a file.
    """

    def __init__(self, bucket: Bucket, found: StoredObject) -> None:
        self._bucket, self._found, self._position = bucket, found, 0
        self.name = found.name

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        bases = {os.SEEK_CUR: self._position, os.SEEK_END: self._found.size_bytes}
        self._position = max(0, bases.get(whence, 0) + offset)
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: _WritableBuffer, /) -> int:
        with memoryview(buffer) as view, view.cast("B") as target:
            stop = min(self._position + len(target), self._found.size_bytes)
            start = self._position
            for chunk in self._bucket.read(self._found, range(start, max(start, stop))):
                target[self._position - start : self._position - start + len(chunk)] = chunk
                self._position += len(chunk)
            return self._position - start
