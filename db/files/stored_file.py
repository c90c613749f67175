"""A finished file, on a disk or in a bucket, as its readers use it."""

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, Self

from db.buckets.bucket import READ_BYTES, Bucket, Check, StoredObject, proceed
from db.buckets.object_reader import ObjectReader
from db.files.sealed_folder import identity_of

CHUNK_BYTES = 1 << 20


class FileReplacedError(OSError):
    """Another file has this path now, whose bytes nobody has checked."""


class StoredFile(ABC):
    """A file that was found in a store."""

    @property
    @abstractmethod
    def size_bytes(self) -> int: ...

    @property
    @abstractmethod
    def identity(self) -> str:
        """A string that changes with every write to the file."""

    @abstractmethod
    def chunks(self, wanted: range, *, from_disk: bool = False) -> Iterator[bytes]:
        """Yield a range of the file's bytes.

        Args:
            from_disk: read no cached pages, which could hide damage on the disk.

        Raises:
            EOFError: the file ends before the range does.
            OSError: the file cannot be read, or was replaced since it was found.
        """

    @abstractmethod
    def url(self, lifetime: timedelta) -> str | None:
        """Return a URL from which anyone can read the file; None if only this process can."""

    @abstractmethod
    def open(self) -> BinaryIO:
        """Open the file; reading raises the errors of `chunks`."""

    @abstractmethod
    def place(self, path: Path, sha256: str, check: Check = proceed) -> None:
        """Let programs read the file at a new path: by a link, or as a copy that is verified.

        ``check`` is called often during a copy, and may raise an error to stop it.

        Raises:
            FileNotFoundError: the file was deleted since it was found.
            WrongDigestError: the copy has another digest.
        """

    def content(self) -> bytes:
        """Return the whole content of a small file."""
        return b"".join(self.chunks(range(self.size_bytes)))


@dataclass(frozen=True)
class LocalFile(StoredFile):
    """A file on a disk."""

    path: Path
    status: os.stat_result

    @classmethod
    def find(cls, path: Path) -> Self:
        """Return the file at this path.

        Raises:
            OSError: there is none.
        """
        return cls(path, path.stat())

    @property
    def size_bytes(self) -> int:
        return self.status.st_size

    @property
    def identity(self) -> str:
        return identity_of(self.status)

    def chunks(self, wanted: range, *, from_disk: bool = False) -> Iterator[bytes]:
        with self.path.open("rb", buffering=0) as file:
            if identity_of(os.fstat(file.fileno())) != self.identity:
                raise FileReplacedError(f"{self.path} was replaced while it was read")
            if from_disk and hasattr(os, "posix_fadvise"):
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            file.seek(wanted.start)
            left = len(wanted)
            while left:
                chunk = file.read(min(CHUNK_BYTES, left))
                if not chunk:
                    raise EOFError(f"{self.path} ends {left} bytes early")
                left -= len(chunk)
                yield chunk

    def url(self, lifetime: timedelta) -> None:
        return None

    def open(self) -> BinaryIO:
        file = self.path.open("rb")
        if identity_of(os.fstat(file.fileno())) != self.identity:
            file.close()
            raise FileReplacedError(f"{self.path} was replaced before it was opened")
        return file

    def place(self, path: Path, sha256: str, check: Check = proceed) -> None:
        path.symlink_to(self.path)


@dataclass(frozen=True)
class BucketFile(StoredFile):
    """An object in a bucket."""

    bucket: Bucket
    found: StoredObject

    @property
    def size_bytes(self) -> int:
        return self.found.size_bytes

    @property
    def identity(self) -> str:
        return self.found.identity

    def chunks(self, wanted: range, *, from_disk: bool = False) -> Iterator[bytes]:
        return self.bucket.read(self.found, wanted)

    def url(self, lifetime: timedelta) -> str:
        return self.bucket.url(self.found.name, lifetime)

    def open(self) -> BinaryIO:
        return BufferedReader(ObjectReader(self.bucket, self.found), READ_BYTES)

    def place(self, path: Path, sha256: str, check: Check = proceed) -> None:
        self.bucket.download(self.found.name, path, sha256, check)
