"""The staging folders on this machine, in which attempts write until their files are complete."""

import shutil
from pathlib import Path

from db.files.sealed_folder import hidden_folders

FOLDER = "staging"


class Staging:
    """The folders ``root/<job_id>/<attempt>/``.

    The path contains the attempt's number, so that a delayed worker cannot change the files of a
    later attempt.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def begin(self, job_id: str, attempt: int, resumed: int | None) -> Path:
        """Create the attempt's folder, and return its path.

        The folder is empty, or else the folder of the attempt ``resumed``, renamed: if the worker
        of that attempt is still alive, it can then no longer write to the old path.
        """
        self.discard(job_id, attempt)
        folder = self.path(job_id, attempt)
        folder.parent.mkdir(parents=True, exist_ok=True)
        if resumed is None:
            folder.mkdir()
        else:
            self.path(job_id, resumed).rename(folder)
        return folder

    def newest_resumable(self, job_id: str, before: int) -> int | None:
        """Return the newest attempt before ``before`` whose folder has working files."""
        attempts = [int(name) for name in names(self._root / job_id)]
        usable = [
            attempt
            for attempt in attempts
            if attempt < before and self.is_resumable(job_id, attempt)
        ]
        return max(usable, default=None)

    def is_resumable(self, job_id: str, attempt: int) -> bool:
        """Whether the attempt's folder has working files, from which a later attempt can resume."""
        return bool(hidden_folders(self.path(job_id, attempt)))

    def require(self, staged: Path, job_id: str) -> int:
        """Return the attempt whose folder this is.

        Raises:
            ValueError: it is not the folder of an attempt at this job.
        """
        if staged.parent != self._root / job_id:
            raise ValueError(f"{staged} was not staged for job {job_id}")
        return int(staged.name)

    def jobs(self) -> list[str]:
        """Return the ids of the jobs with a folder."""
        return names(self._root)

    def path(self, job_id: str, attempt: int) -> Path:
        return self._root / job_id / str(attempt)

    def discard(self, job_id: str, attempt: int) -> None:
        """Delete the attempt's folder, if there is one."""
        delete_folder(self.path(job_id, attempt))

    def discard_job(self, job_id: str) -> None:
        """Delete the folders of all attempts at the job."""
        shutil.rmtree(self._root / job_id, ignore_errors=True)


def names(folder: Path) -> list[str]:
    """Return the names in a folder; none if there is no such folder."""
    return [path.name for path in folder.iterdir()] if folder.is_dir() else []


def delete_folder(folder: Path) -> None:
    """Delete a folder, if there is one, and then the folder above it if that is empty."""
    if folder.exists():
        shutil.rmtree(folder)
        remove_if_empty(folder.parent)


def remove_if_empty(folder: Path) -> None:
    if not any(folder.iterdir()):
        folder.rmdir()
