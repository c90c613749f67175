"""The artifact store: the files of each attempt at a job, published once they are complete."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import ClassVar

from db.buckets.bucket import Check, proceed
from db.files.sealed_folder import KnownDigest, NewArtifact
from db.files.stored_file import StoredFile
from db.tables.artifacts import Artifact


class ArtifactStore(ABC):
    """The files of each attempt, below the job's id and the attempt's number.

    Until they are published, they are staged in a folder on the worker's machine. The database rows
    of the artifacts determine which attempt's files belong to the job.

    Some methods take a ``check``: it is called often during a long transfer, and may raise an error
    to stop the transfer.

    Attributes:
        is_remote: whether several machines use the store, so that files are transferred.
    """

    is_remote: ClassVar[bool]

    @abstractmethod
    def check(self) -> None:
        """Check that the store can be written to.

        Raises:
            OSError: it cannot.
        """

    @abstractmethod
    def stage(self, job_id: str, attempt: int, check: Check = proceed) -> Path:
        """Create the attempt's staging folder, and return its path.

        The folder is empty, unless an earlier attempt left working files (see `sealed_folder`). In
        that case, the attempt resumes from the newest such files.
        """

    @abstractmethod
    def save(self, staged: Path, job_id: str, check: Check = proceed) -> None:
        """Save what was staged so far, so that an attempt on another machine can resume from it."""

    @abstractmethod
    def publish(
        self,
        staged: Path,
        job_id: str,
        digests: Mapping[str, KnownDigest] | None = None,
        check: Check = proceed,
    ) -> list[NewArtifact]:
        """Publish a staged folder durably, and describe its files.

        Raises:
            ValueError: the folder was not returned by `stage` for this job, holds no file, or
                holds something other than regular files and folders.
        """

    @abstractmethod
    def restore(self, path: Path, artifact: Artifact) -> None:
        """Store a published file again, from a backup.

        Raises:
            WrongDigestError: the file at this path has another digest than the artifact.
        """

    @abstractmethod
    def open(self, artifact: Artifact) -> StoredFile:
        """Return an artifact's file.

        Raises:
            ArtifactNotFoundError: the file is missing, or its name leads outside the attempt's
                folder.
        """

    @abstractmethod
    def staged_jobs(self) -> list[str]:
        """Return the ids of the jobs with staged files."""

    @abstractmethod
    def staged_here(self) -> list[str]:
        """Return the ids of the jobs with staged files that only this machine can delete."""

    @abstractmethod
    def discard_here(self, job_id: str) -> None:
        """Delete the staged files of a job on this machine. Call this once the job has ended."""

    @abstractmethod
    def published_jobs(self) -> list[str]:
        """Return the ids of the jobs with published files."""

    @abstractmethod
    def is_resumable(self, job_id: str, attempt: int) -> bool:
        """Whether a later attempt could resume from this attempt's staged files."""

    @abstractmethod
    def discard(self, job_id: str, attempt: int) -> None:
        """Delete the attempt's staged files, if there are any."""

    @abstractmethod
    def discard_job(self, job_id: str) -> None:
        """Delete the staged files of all attempts at a job. Call this once the job has ended."""

    @abstractmethod
    def delete_job(self, job_id: str) -> None:
        """Delete all files of a job. Call this after the job's row was deleted."""

    @abstractmethod
    def retract(self, job_id: str, attempt: int) -> None:
        """Delete an attempt's published files. Call this if the attempt did not succeed."""

    @abstractmethod
    def remove_all_but(self, kept: Collection[str], job_id: str, attempt: int) -> None:
        """Delete an attempt's published files durably, except those named in ``kept``."""

    @abstractmethod
    def keep_only(self, job_id: str, attempt: int) -> None:
        """Delete the files of all other attempts at the job, and all staged ones.

        Call this after ``attempt`` has succeeded.
        """

    @abstractmethod
    def free_bytes(self) -> int | None:
        """Return how many more bytes the store can hold; None if there is no limit."""

    def discard_unusable(self, job_id: str, attempt: int) -> None:
        """Delete an attempt's published files, and staged files that no retry can resume from."""
        self.retract(job_id, attempt)
        if not self.is_resumable(job_id, attempt):
            self.discard(job_id, attempt)
