"""All files of a job as one tar, created while it is sent, with the same bytes every time."""

import hashlib
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from db.files.stored_file import StoredFile
from db.tables.artifacts import Artifact
from zpruner.files.compact_file import CompactFile
from zpruner.files.compact_layout import FORMAT, VERSION
from zpruner.files.folder import compact_name
from zpruner.files.header import SUFFIX

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
            Member(_header(one, one.name, one.size_bytes), file, one.size_bytes, one.sha256)
            for one, file in files.items()
        ]
        length = sum(
            len(one.header) + one.size_bytes + len(_padding(one.size_bytes))
            for one in self._members
        )
        self._ending = _ending(length)
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


class CompactArchive:
    """The same tar with the compact forms of the safetensors files.

    Its length is not known before: what is kept of a file is counted when its turn has come.
    """

    def __init__(self, files: Mapping[Artifact, StoredFile]) -> None:
        self._files = files

    @property
    def etag(self) -> str:
        """The archive's strong entity tag: a digest of its files' names, times and SHA-256s."""
        digest = hashlib.sha256(f"{FORMAT} {VERSION}".encode())
        for artifact in self._files:
            header = _header(artifact, artifact.name, artifact.size_bytes)
            digest.update(header + artifact.sha256.encode())
        return f'"{digest.hexdigest()}"'

    def __iter__(self) -> Iterator[bytes]:
        length = 0
        for artifact, file in self._files.items():
            for data in self._member(artifact, file):
                length += len(data)
                yield data
        yield _ending(length)

    def _member(self, artifact: Artifact, file: StoredFile) -> Iterator[bytes]:
        name, size = artifact.name, artifact.size_bytes
        content: CompactFile | Iterator[bytes] = file.chunks(range(size))
        if name.endswith(SUFFIX):
            content = CompactFile(file.open, artifact.sha256)
            name, size = compact_name(name), content.size_bytes
        yield _header(artifact, name, size)
        yield from content
        yield _padding(size)


def _header(artifact: Artifact, name: str, size_bytes: int) -> bytes:
    info = tarfile.TarInfo(f"{artifact.job_id}/{name}")
    info.size = size_bytes
    info.mtime = int(artifact.created_at.timestamp())
    return info.tobuf(tarfile.PAX_FORMAT)


def _padding(size_bytes: int) -> bytes:
    """Return the zeros that fill up the last tar block of a file."""
    return bytes(-size_bytes % tarfile.BLOCKSIZE)


def _ending(length: int) -> bytes:
    """Return the zeros after the last file of a tar of this length."""
    return bytes(_END + -(length + _END) % tarfile.RECORDSIZE)
