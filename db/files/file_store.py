"""The artifact store on a disk, which publishes an attempt's files by renaming their folder."""

import os
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path
from tempfile import TemporaryFile

from db.buckets.bucket import CHUNK_BYTES, Check, proceed
from db.buckets.verified_file import VerifiedFile
from db.core.errors import ArtifactNotFoundError
from db.core.fsync import sync_folder
from db.files.artifact_store import ArtifactStore
from db.files.sealed_folder import KnownDigest, NewArtifact, seal
from db.files.staging import FOLDER, Staging, delete_folder, names, remove_if_empty
from db.files.stored_file import LocalFile
from db.tables.artifacts import Artifact


class FileStore(ArtifactStore):
    """The files of each attempt, in ``root/<job_id>/<attempt>/``.

    Until they are published, they are staged in ``root/staging/<job_id>/<attempt>/``.
    """

    is_remote = False

    def __init__(self, root: Path) -> None:
        self._root, self._staging = root, Staging(root / FOLDER)

    def check(self) -> None:
        """Write a byte to an unnamed file in the root folder, which is created if it is missing."""
        self._root.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=self._root, buffering=0) as file:
            file.write(b"0")

    def stage(self, job_id: str, attempt: int, check: Check = proceed) -> Path:
        resumed = self._staging.newest_resumable(job_id, attempt)
        return self._staging.begin(job_id, attempt, resumed)

    def save(self, staged: Path, job_id: str, check: Check = proceed) -> None:
        """Do nothing: the files are on the only machine that could resume from them."""

    def publish(
        self,
        staged: Path,
        job_id: str,
        digests: Mapping[str, KnownDigest] | None = None,
        check: Check = proceed,
    ) -> list[NewArtifact]:
        """Flush a staged folder to disk and publish it by one rename."""
        attempt = self._staging.require(staged, job_id)
        artifacts = seal(staged, digests)
        self._place(staged, self._published(job_id, attempt))
        return artifacts

    def restore(self, path: Path, artifact: Artifact) -> None:
        target = self._path(artifact)
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as file:
            for piece in VerifiedFile(path, artifact.sha256, CHUNK_BYTES, proceed):
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())

    def open(self, artifact: Artifact) -> LocalFile:
        path = self._path(artifact)
        if not path.is_file():
            raise ArtifactNotFoundError(artifact.id)
        return LocalFile.find(path)

    def staged_jobs(self) -> list[str]:
        return self._staging.jobs()

    def staged_here(self) -> list[str]:
        """Return nothing: every process of the service can delete all files."""
        return []

    def discard_here(self, job_id: str) -> None:
        self._staging.discard_job(job_id)

    def published_jobs(self) -> list[str]:
        return [name for name in names(self._root) if name != FOLDER]

    def is_resumable(self, job_id: str, attempt: int) -> bool:
        return self._staging.is_resumable(job_id, attempt)

    def discard(self, job_id: str, attempt: int) -> None:
        self._staging.discard(job_id, attempt)

    def discard_job(self, job_id: str) -> None:
        self._staging.discard_job(job_id)

    def delete_job(self, job_id: str) -> None:
        self.discard_job(job_id)
        shutil.rmtree(self._root / job_id, ignore_errors=True)

    def retract(self, job_id: str, attempt: int) -> None:
        delete_folder(self._published(job_id, attempt))

    def remove_all_but(self, kept: Collection[str], job_id: str, attempt: int) -> None:
        folder = self._published(job_id, attempt)
        if not folder.exists():
            return
        for path in folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name not in kept:
                path.unlink()
        sync_folder(folder)

    def keep_only(self, job_id: str, attempt: int) -> None:
        for name in names(self._root / job_id):
            if name != str(attempt):
                delete_folder(self._root / job_id / name)
        self._staging.discard_job(job_id)

    def free_bytes(self) -> int:
        """Return how many more bytes the disk of the root folder can hold."""
        existing = next(folder for folder in (self._root, *self._root.parents) if folder.exists())
        return shutil.disk_usage(existing).free

    def _path(self, artifact: Artifact) -> Path:
        """Return the path of a published file.

        Raises:
            ArtifactNotFoundError: its name leads outside the attempt's folder.
        """
        folder = self._published(artifact.job_id, artifact.attempt).resolve()
        path = (folder / artifact.name).resolve()
        if not (folder.is_relative_to(self._root.resolve()) and path.is_relative_to(folder)):
            raise ArtifactNotFoundError(artifact.id)
        return path

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
        remove_if_empty(staged.parent)
