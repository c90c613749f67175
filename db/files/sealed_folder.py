"""A folder of finished files before it is published: their digests, and its working folders.

Hidden folders hold the working files that a resumed run would need. They are never published.
"""

import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from io import BufferedReader
from pathlib import Path, PurePosixPath

CHECKSUMS = "SHA256SUMS"
MEDIA_TYPES = {
    ".json": "application/json",
    ".jsonl": "application/jsonl",
    ".md": "text/markdown",
    ".txt": "text/plain",
    ".jinja": "text/plain",
}


@dataclass(frozen=True)
class NewArtifact:
    """A published file before its row is inserted.

    Attributes:
        identity: the file's identity (see `identity_of`) when `seal` described it.
    """

    name: str
    size_bytes: int
    sha256: str
    media_type: str
    identity: str | None = field(default=None, compare=False)


@dataclass(frozen=True)
class KnownDigest:
    """The digest of a file, computed when the file had this size and modification time."""

    sha256: str
    size_bytes: int
    modified_ns: int

    def matches(self, status: os.stat_result) -> bool:
        """Whether a file with this ``stat`` result is unchanged since it was hashed."""
        return (status.st_size, status.st_mtime_ns) == (self.size_bytes, self.modified_ns)


def identity_of(status: os.stat_result) -> str:
    """Return a string that changes with every write to the file: inode, size, mtime and ctime."""
    return f"{status.st_ino}:{status.st_size}:{status.st_mtime_ns}:{status.st_ctime_ns}"


def seal(folder: Path, digests: Mapping[str, KnownDigest] | None = None) -> list[NewArtifact]:
    """Do the same as `describe`, then delete the hidden folders.

    Raises:
        ValueError: the folder holds no file, or something other than regular files and folders.
    """
    artifacts = describe(folder, digests)
    for path in hidden_folders(folder):
        shutil.rmtree(path)
    return artifacts


def describe(folder: Path, digests: Mapping[str, KnownDigest] | None = None) -> list[NewArtifact]:
    """Flush all files of a folder to disk, write a file of their checksums, and describe each file.

    The file of checksums is also described. A file is hashed unless ``digests`` has a digest that
    is still valid for it.

    Raises:
        ValueError: the folder holds no file, or something other than regular files and folders.
    """
    (folder / CHECKSUMS).unlink(missing_ok=True)  # of an interrupted publication
    artifacts = [_sealed(path, folder, digests) for path in files_to_publish(folder)]
    if not artifacts:
        raise ValueError(f"no file was staged in {folder}")
    artifacts.append(_write_checksums(folder, artifacts))
    return artifacts


def sha256_of(file: BufferedReader, known: KnownDigest | None = None) -> str:
    """Return the SHA-256 of an open file; it is read unless ``known`` is still valid."""
    if known is not None and known.matches(os.fstat(file.fileno())):
        return known.sha256
    return hashlib.file_digest(file, "sha256").hexdigest()


def files_to_publish(folder: Path) -> Iterator[Path]:
    """Yield the files that `describe` would describe, in order of their paths.

    Raises:
        ValueError: the folder holds something other than regular files and folders.
    """
    hidden = hidden_folders(folder)
    for path in sorted(folder.rglob("*")):
        if any(path.is_relative_to(parent) for parent in hidden):
            continue
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise ValueError(f"{path} is not a regular file")
        if path.is_file():
            yield path


def hidden_folders(folder: Path) -> list[Path]:
    """Return the folders with working files, which are directly in the folder."""
    return [path for path in folder.glob(".*") if path.is_dir() and not path.is_symlink()]


def _sealed(
    path: Path, folder: Path, digests: Mapping[str, KnownDigest] | None = None
) -> NewArtifact:
    # safetensors creates files as 0600 regardless of the umask, which the folder's mode follows.
    path.chmod(path.parent.stat().st_mode & 0o666)
    name = PurePosixPath(path.relative_to(folder))
    with path.open("rb") as file:
        os.fsync(file.fileno())
        status = os.fstat(file.fileno())
        digest = sha256_of(file, (digests or {}).get(str(name)))
    media_type = MEDIA_TYPES.get(name.suffix, "application/octet-stream")
    return NewArtifact(str(name), status.st_size, digest, media_type, identity_of(status))


def _write_checksums(staged: Path, artifacts: list[NewArtifact]) -> NewArtifact:
    lines = "".join(f"{artifact.sha256}  {artifact.name}\n" for artifact in artifacts)
    path = staged / CHECKSUMS
    path.write_text(lines, encoding="utf-8")
    return replace(_sealed(path, staged), media_type="text/plain")
