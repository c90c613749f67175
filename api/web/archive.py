"""All files of a job as one tar, created while it is sent, with the same bytes every time."""

import hashlib
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from db.files.stored_file import StoredFile
from db.tables.artifacts import Artifact

_END = 2 * tarfile.BLOCKSIZE
"""How many zeros a tar ends with, at least."""


@dataclass(frozen=True)
class Member:
    """One file of the archive: its tar header, file, size and SHA-256."""

    header: bytes
    file: StoredFile
    size_bytes: int
    sha256: str


class Archive:
    """A tar whose length and entity tag are known before its first byte is sent."""

    def __init__(self, files: Mapping[Artifact, StoredFile]) -> None:
        self._members = [
            Member(_header(artifact), file, artifact.size_bytes, artifact.sha256)
            for artifact, file in files.items()
        ]
        length = sum(
            len(member.header) + member.size_bytes + len(_padding(member.size_bytes))
            for member in self._members
        )
        self._ending = bytes(_END + -(length + _END) % tarfile.RECORDSIZE)
        self.size_bytes = length + len(self._ending)

    @property
    def etag(self) -> str:
        """The archive's strong entity tag: a digest of its files' tar headers and SHA-256s."""
        digest = hashlib.sha256()
        for member in self._members:
            digest.update(member.header + member.sha256.encode())
        return f'"{digest.hexdigest()}"'

    def __iter__(self) -> Iterator[bytes]:
        for member in self._members:
            yield member.header
            yield from member.file.chunks(range(member.size_bytes))
            yield _padding(member.size_bytes)
        yield self._ending


def _header(artifact: Artifact) -> bytes:
    info = tarfile.TarInfo(f"{artifact.job_id}/{artifact.name}")
    info.size = artifact.size_bytes
    info.mtime = int(artifact.created_at.timestamp())
    return info.tobuf(tarfile.PAX_FORMAT)


def _padding(size_bytes: int) -> bytes:
    """Return the zeros that fill up the last tar block of a file."""
    return bytes(-size_bytes % tarfile.BLOCKSIZE)
