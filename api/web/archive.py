"""All files of a job as one tar, created while it is sent, with the same bytes every time."""

import hashlib
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from api.web.ranges import read_range
from db.tables.artifacts import Artifact


@dataclass(frozen=True)
class Member:
    """One file of the archive: its tar header, path, size and SHA-256."""

    header: bytes
    path: Path
    size_bytes: int
    sha256: str

    @property
    def padding(self) -> bytes:
        """The zeros that fill up the last tar block of the file."""
        return bytes(-self.size_bytes % tarfile.BLOCKSIZE)


class Archive:
    """A tar whose length and entity tag are known before its first byte is sent."""

    def __init__(self, files: Mapping[Artifact, Path]) -> None:
        self._members = [_member(artifact, path) for artifact, path in files.items()]
        length = sum(len(one.header) + one.size_bytes + len(one.padding) for one in self._members)
        ending = 2 * tarfile.BLOCKSIZE
        self._ending = bytes(ending + -(length + ending) % tarfile.RECORDSIZE)
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
            yield from read_range(member.path, range(member.size_bytes))
            yield member.padding
        yield self._ending


def _member(artifact: Artifact, path: Path) -> Member:
    info = tarfile.TarInfo(f"{artifact.job_id}/{artifact.name}")
    info.size = artifact.size_bytes
    info.mtime = int(artifact.created_at.timestamp())
    header = info.tobuf(tarfile.PAX_FORMAT)
    return Member(header, path, artifact.size_bytes, artifact.sha256)
