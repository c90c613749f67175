"""All files of a job as one tar, created while it is sent, with the same bytes every time."""

import hashlib
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from db.files.stored_file import StoredFile
from db.tables.artifacts import Artifact


@dataclass(frozen=True)
class Member:
    """One file of the archive: its tar header, file, size and SHA-256."""

    header: bytes
    file: StoredFile
    size_bytes: int
    sha256: str

    @property
    def padding(self) -> bytes:
        """The zeros that fill up the last tar block of the file."""
        return bytes(-self.size_bytes % tarfile.BLOCKSIZE)


class Archive:
    """A tar whose length and entity tag are known before its first byte is sent."""

    def __init__(self, files: Mapping[Artifact, StoredFile]) -> None:
        self._members = [_member(artifact, file) for artifact, file in files.items()]
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
            yield from member.file.chunks(range(member.size_bytes))
            yield member.padding
        yield self._ending


def _member(artifact: Artifact, file: StoredFile) -> Member:
    info = tarfile.TarInfo(f"{artifact.job_id}/{artifact.name}")
    info.size = artifact.size_bytes
    info.mtime = int(artifact.created_at.timestamp())
    header = info.tobuf(tarfile.PAX_FORMAT)
    return Member(header, file, artifact.size_bytes, artifact.sha256)
