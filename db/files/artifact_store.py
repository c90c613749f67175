"""The artifact store: finished files below one folder, each set put in place by one rename."""

import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from tempfile import TemporaryFile

from db.core.errors import ArtifactNotFoundError
from db.core.fsync import sync_folder
from db.tables.jobs import Artifact

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
    """A published file that no row names yet.

    ``identity`` is the file's when its digest was computed (see `identity_of`).
    """

    name: str
    size_bytes: int
    sha256: str
    media_type: str
    identity: str | None = field(default=None, compare=False)


class ArtifactStore:
    """Files of one attempt live in ``root/<job_id>/<attempt>/``.

    The attempt is in every path, so that a worker that wakes late cannot touch the bytes of
    the attempt that replaced it; rows decide which attempt's files are the job's.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def check(self) -> None:
        """Write a byte where no name shows it.

        Raises:
            OSError: nothing can be written there.
        """
        self._root.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=self._root, buffering=0) as file:
            file.write(b"0")

    def stage(self, job_id: str, attempt: int) -> Path:
        """Return the attempt's own folder, with what an earlier one left to go on from.

        The earlier folder is renamed, so whatever its worker still tries to do there fails. One
        without working files (see `seal`) is of no use; the new folder then is empty.
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
        """Return the jobs that have something staged."""
        return _names(self._root / STAGING)

    def published_jobs(self) -> list[str]:
        """Return the jobs that have something published."""
        return [name for name in _names(self._root) if name != STAGING]

    def discard_job(self, job_id: str) -> None:
        """Delete what any attempt of a job staged; only for one that has ended."""
        shutil.rmtree(self._root / STAGING / job_id, ignore_errors=True)

    def delete_job(self, job_id: str) -> None:
        """Delete all files of a job that no row names any longer."""
        self.discard_job(job_id)
        shutil.rmtree(self._root / job_id, ignore_errors=True)

    def relinquish(self, job_id: str, attempt: int) -> None:
        """Delete what an attempt published, and staged unless a later one can go on from that."""
        self.retract(job_id, attempt)
        if not _hidden(self._staged(job_id, attempt)):
            self.discard(job_id, attempt)

    def retract(self, job_id: str, attempt: int) -> None:
        """Delete what an attempt published but could not call its own any more."""
        _delete(self._published(job_id, attempt))

    def publish(self, staged: Path, job_id: str) -> list[NewArtifact]:
        """Make a staged folder durable and put it in place in one step.

        Raises:
            ValueError: the folder is not one that ``stage`` gave for this job, holds no file,
                or holds something that is no plain file.
        """
        if staged.parent != self._root / STAGING / job_id:
            raise ValueError(f"{staged} was not staged for job {job_id}")
        artifacts = seal(staged)
        self._place(staged, self._root / job_id / staged.name)
        return artifacts

    def open(self, artifact: Artifact) -> Path:
        """Return where an artifact's bytes are.

        Raises:
            ArtifactNotFoundError: they are gone, or the name leads out of the job's folder.
        """
        folder = self._published(artifact.job_id, artifact.attempt).resolve()
        path = (folder / artifact.name).resolve()
        if not (folder.is_relative_to(self._root.resolve()) and path.is_relative_to(folder)):
            raise ArtifactNotFoundError(artifact.id)
        if not path.is_file():
            raise ArtifactNotFoundError(artifact.id)
        return path

    def discard(self, job_id: str, attempt: int) -> None:
        """Delete what an attempt staged; nothing happens when there is nothing."""
        _delete(self._staged(job_id, attempt))

    def keep_only(self, job_id: str, attempt: int) -> None:
        """Delete what the job's other attempts left, once ``attempt`` has succeeded."""
        for folder in (self._root / job_id, self._root / STAGING / job_id):
            for left in folder.glob("*"):
                if left != self._published(job_id, attempt):
                    _delete(left)

    def _staged(self, job_id: str, attempt: int) -> Path:
        return self._root / STAGING / job_id / str(attempt)

    def _published(self, job_id: str, attempt: int) -> Path:
        return self._root / job_id / str(attempt)

    def _place(self, staged: Path, target: Path) -> None:
        """Rename; afterwards the files survive a power cut under their new name."""
        for folder in (staged, *(path for path in staged.rglob("*") if path.is_dir())):
            sync_folder(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        staged.rename(target)
        for folder in (target.parent, self._root):
            sync_folder(folder)
        _remove_if_empty(staged.parent)


def identity_of(status: os.stat_result) -> str:
    """Return what changes whenever a file's bytes are written to: inode, size and both times."""
    return f"{status.st_ino}:{status.st_size}:{status.st_mtime_ns}:{status.st_ctime_ns}"


def seal(folder: Path) -> list[NewArtifact]:
    """Flush all files of a folder to disk, write their checksums beside them, describe them.

    A hidden folder in it is the work's own, for a run that would have to go on: it is deleted, as
    the last thing.

    Raises:
        ValueError: it holds no file, or something that is no plain file.
    """
    (folder / CHECKSUMS).unlink(missing_ok=True)  # of a publication cut short
    hidden = _hidden(folder)
    artifacts = [_sealed(path, folder) for path in _files(folder, hidden)]
    if not artifacts:
        raise ValueError(f"nothing was staged in {folder}")
    artifacts.append(_write_checksums(folder, artifacts))
    for path in hidden:
        shutil.rmtree(path)
    return artifacts


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()] if folder.is_dir() else []


def _hidden(folder: Path) -> list[Path]:
    return [path for path in folder.glob(".*") if path.is_dir() and not path.is_symlink()]


def _files(folder: Path, spared: Sequence[Path]) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if any(path.is_relative_to(one) for one in spared):
            continue
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise ValueError(f"{path} is no plain file")
        if path.is_file():
            yield path


def _sealed(path: Path, folder: Path) -> NewArtifact:
    """Flush one file to disk and describe it."""
    # safetensors writes 0600 whatever the umask is; the folder was made under it.
    path.chmod(path.parent.stat().st_mode & 0o666)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        os.fsync(file.fileno())
        status = os.fstat(file.fileno())
    name = PurePosixPath(path.relative_to(folder))
    media_type = MEDIA_TYPES.get(name.suffix, "application/octet-stream")
    return NewArtifact(str(name), status.st_size, digest, media_type, identity_of(status))


def _write_checksums(staged: Path, artifacts: list[NewArtifact]) -> NewArtifact:
    """Write what ``sha256sum -c`` reads."""
    lines = "".join(f"{one.sha256}  {one.name}\n" for one in artifacts)
    path = staged / CHECKSUMS
    path.write_text(lines, encoding="utf-8")
    sealed = _sealed(path, staged)
    return replace(sealed, media_type="text/plain")


def _delete(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
        _remove_if_empty(folder.parent)


def _remove_if_empty(folder: Path) -> None:
    if not any(folder.iterdir()):
        folder.rmdir()
