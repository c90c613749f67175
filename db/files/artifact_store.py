"""The artifact store: the files of each attempt at a job, published by renaming their folder."""

import hashlib
import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from io import BufferedReader
from pathlib import Path, PurePosixPath
from tempfile import TemporaryFile

from db.core.errors import ArtifactNotFoundError
from db.core.fsync import sync_folder
from db.tables.artifacts import Artifact

CHECKSUMS = "SHA256SUMS"
STAGING = "staging"
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


class ArtifactStore:
    """The files of each attempt, in ``root/<job_id>/<attempt>/``.

    Until they are published, they are staged in ``root/staging/<job_id>/<attempt>/``. Both paths
    contain the attempt's number, so that a delayed worker cannot change the files of a later
    attempt. The database rows of the artifacts determine which attempt's files belong to the job.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def check(self) -> None:
        """Check that the root folder is writable, by writing a byte to an unnamed file in it.

        The folder is created if it is missing.

        Raises:
            OSError: the folder is not writable.
        """
        self._root.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=self._root, buffering=0) as file:
            file.write(b"0")

    def stage(self, job_id: str, attempt: int) -> Path:
        """Create the attempt's staging folder, and return its path.

        The folder is empty, unless an earlier attempt left a staging folder with working files (see
        `seal`). In that case, the newest such folder is renamed, so that the attempt resumes from
        these files. If the worker of the earlier attempt is still alive, it can then no longer
        write to the old path.
        """
        self.discard(job_id, attempt)
        staged = self._staged(job_id, attempt)
        staged.parent.mkdir(parents=True, exist_ok=True)
        earlier = [path for path in staged.parent.iterdir() if int(path.name) < attempt]
        if usable := [path for path in earlier if _hidden(path)]:
            max(usable, key=lambda path: int(path.name)).rename(staged)
        else:
            staged.mkdir()
        return staged

    def staged_jobs(self) -> list[str]:
        """Return the ids of the jobs with staged files."""
        return _names(self._root / STAGING)

    def published_jobs(self) -> list[str]:
        """Return the ids of the jobs with published files."""
        return [name for name in _names(self._root) if name != STAGING]

    def discard_job(self, job_id: str) -> None:
        """Delete the staged files of all attempts at a job. Call this once the job has ended."""
        shutil.rmtree(self._root / STAGING / job_id, ignore_errors=True)

    def delete_job(self, job_id: str) -> None:
        """Delete all files of a job. Call this after the job's row was deleted."""
        self.discard_job(job_id)
        shutil.rmtree(self._root / job_id, ignore_errors=True)

    def discard_unusable(self, job_id: str, attempt: int) -> None:
        """Delete an attempt's published files, and staged files that no retry can resume from."""
        self.retract(job_id, attempt)
        if not _hidden(self._staged(job_id, attempt)):
            self.discard(job_id, attempt)

    def retract(self, job_id: str, attempt: int) -> None:
        """Delete an attempt's published files. Call this if the attempt did not succeed."""
        _delete(self._published(job_id, attempt))

    def remove_all_but(self, kept: Collection[str], job_id: str, attempt: int) -> None:
        """Delete an attempt's published files durably, except those named in ``kept``."""
        folder = self._published(job_id, attempt)
        if not folder.exists():
            return
        for path in folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name not in kept:
                path.unlink()
        sync_folder(folder)

    def free_bytes(self) -> int:
        """Return how many more bytes the disk of the root folder can hold."""
        existing = next(one for one in (self._root, *self._root.parents) if one.exists())
        return shutil.disk_usage(existing).free

    def publish(
        self, staged: Path, job_id: str, digests: Mapping[str, KnownDigest] | None = None
    ) -> list[NewArtifact]:
        """Flush a staged folder to disk and publish it by one rename.

        Raises:
            ValueError: the folder was not returned by `stage` for this job, holds no file, or
                holds something other than regular files and folders.
        """
        if staged.parent != self._root / STAGING / job_id:
            raise ValueError(f"{staged} was not staged for job {job_id}")
        artifacts = seal(staged, digests)
        self._place(staged, self._root / job_id / staged.name)
        return artifacts

    def open(self, artifact: Artifact) -> Path:
        """Return the path of an artifact's file.

        Raises:
            ArtifactNotFoundError: the file is missing, or its name leads outside the attempt's
                folder.
        """
        folder = self._published(artifact.job_id, artifact.attempt).resolve()
        path = (folder / artifact.name).resolve()
        if not (folder.is_relative_to(self._root.resolve()) and path.is_relative_to(folder)):
            raise ArtifactNotFoundError(artifact.id)
        if not path.is_file():
            raise ArtifactNotFoundError(artifact.id)
        return path

    def discard(self, job_id: str, attempt: int) -> None:
        """Delete the attempt's staging folder, if there is one."""
        _delete(self._staged(job_id, attempt))

    def keep_only(self, job_id: str, attempt: int) -> None:
        """Delete the files of all other attempts at the job.

        Call this after ``attempt`` has succeeded.
        """
        for folder in (self._root / job_id, self._root / STAGING / job_id):
            for left in folder.glob("*"):
                if left != self._published(job_id, attempt):
                    _delete(left)

    def _staged(self, job_id: str, attempt: int) -> Path:
        return self._root / STAGING / job_id / str(attempt)

    def _published(self, job_id: str, attempt: int) -> Path:
        return self._root / job_id / str(attempt)

    def _place(self, staged: Path, target: Path) -> None:
        """Rename a folder durably, so that its new name survives a power failure."""
        for folder in (staged, *(path for path in staged.rglob("*") if path.is_dir())):
            sync_folder(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        staged.rename(target)
        for folder in (target.parent, self._root):
            sync_folder(folder)
        _remove_if_empty(staged.parent)


def identity_of(status: os.stat_result) -> str:
    """Return a string that changes with every write to the file: inode, size, mtime and ctime."""
    return f"{status.st_ino}:{status.st_size}:{status.st_mtime_ns}:{status.st_ctime_ns}"


def seal(folder: Path, digests: Mapping[str, KnownDigest] | None = None) -> list[NewArtifact]:
    """Flush all files of a folder to disk, write a file of their checksums, and describe each file.

    The file of checksums is also described. Hidden folders hold the working files that a resumed
    run would need. They are not described, and they are deleted last. A file is hashed unless
    ``digests`` has a digest that is still valid for it.

    Raises:
        ValueError: the folder holds no file, or something other than regular files and folders.
    """
    (folder / CHECKSUMS).unlink(missing_ok=True)  # of an interrupted publication
    artifacts = [_sealed(path, folder, digests) for path in files_to_publish(folder)]
    if not artifacts:
        raise ValueError(f"no file was staged in {folder}")
    artifacts.append(_write_checksums(folder, artifacts))
    for path in _hidden(folder):
        shutil.rmtree(path)
    return artifacts


def sha256_of(file: BufferedReader, known: KnownDigest | None = None) -> str:
    """Return the SHA-256 of an open file; it is read unless ``known`` is still valid."""
    if known is not None and known.matches(os.fstat(file.fileno())):
        return known.sha256
    return hashlib.file_digest(file, "sha256").hexdigest()


def files_to_publish(folder: Path) -> Iterator[Path]:
    """Yield the files that `seal` would describe, in order of their paths.

    Raises:
        ValueError: the folder holds something other than regular files and folders.
    """
    hidden = _hidden(folder)
    for path in sorted(folder.rglob("*")):
        if any(path.is_relative_to(one) for one in hidden):
            continue
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise ValueError(f"{path} is not a regular file")
        if path.is_file():
            yield path


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()] if folder.is_dir() else []


def _hidden(folder: Path) -> list[Path]:
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
    lines = "".join(f"{one.sha256}  {one.name}\n" for one in artifacts)
    path = staged / CHECKSUMS
    path.write_text(lines, encoding="utf-8")
    return replace(_sealed(path, staged), media_type="text/plain")


def _delete(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
        _remove_if_empty(folder.parent)


def _remove_if_empty(folder: Path) -> None:
    if not any(folder.iterdir()):
        folder.rmdir()
