"""Copies of staging folders in a bucket, from which a worker on another machine can resume.

The copy of an attempt is ``staging/<job_id>/<attempt>/``: one object for each content, named by its
SHA-256, and a manifest with the names of the files. The manifest is written last, and objects that
it no longer needs are deleted afterwards, so that it always describes complete files.
"""

import json
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from db.buckets.bucket import Bucket, Check, proceed
from db.buckets.errors import WrongDigestError
from db.files.sealed_folder import hidden_folders, identity_of, sha256_of

logger = logging.getLogger(__name__)
FOLDER = "staging"
MANIFEST = "manifest.json"
RESULT_FOLDER = ".result"
"""The folder with the model of a job that starts from the result of another one."""
NOT_COPIED = ("activations-", "inputs-", "snapshot-", RESULT_FOLDER)
"""The beginnings of the names of folders with hidden states, and with the model of the job.

They are as large as the model, and a resumed run computes or reads them again.
"""


@dataclass(frozen=True)
class CopiedFile:
    """A file of a copy, and its identity on this machine when it was copied."""

    name: str
    size_bytes: int
    sha256: str
    identity: str

    def entry(self) -> dict[str, object]:
        """Return the file's entry in the manifest."""
        return {"name": self.name, "size_bytes": self.size_bytes, "sha256": self.sha256}


class StagingCopies:
    """The copies of all attempts' staging folders."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._copied: dict[tuple[str, int], dict[str, CopiedFile]] = {}

    def save(self, staged: Path, job_id: str, attempt: int, check: Check = proceed) -> None:
        """Copy the files that are new or have changed since this process saved the attempt.

        If a file changes during the copy, the earlier copy is kept until the next call.
        """
        try:
            self._save(staged, job_id, attempt, check)
        except (FileNotFoundError, WrongDigestError) as error:
            logger.info(
                "the staged files of job %s changed while they were copied: %s", job_id, error
            )

    def _save(self, staged: Path, job_id: str, attempt: int, check: Check) -> None:
        earlier = self._copied.get((job_id, attempt), {})
        present = {name: identity_of(path.stat()) for name, path in _files(staged)}
        if present == {name: file.identity for name, file in earlier.items()}:
            return
        folder = _folder(job_id, attempt)
        stored = {file.sha256 for file in earlier.values()}
        copied: dict[str, CopiedFile] = {}
        for name, identity in present.items():
            file = earlier.get(name)
            if file is None or file.identity != identity:
                file = _described(staged, name)
                if file.sha256 not in stored:
                    path = f"{folder}/{file.sha256}"
                    self._bucket.upload(staged / name, path, file.sha256, check=check)
                    stored.add(file.sha256)
            copied[name] = file
        manifest = {"files": [file.entry() for file in copied.values()]}
        self._bucket.write(f"{folder}/{MANIFEST}", json.dumps(manifest).encode())
        self._delete_unneeded(job_id, attempt, stored - {file.sha256 for file in copied.values()})
        self._copied[job_id, attempt] = copied

    def attempts(self, job_id: str) -> list[int]:
        """Return the attempts with a copy, newest first."""
        names = self._bucket.folders(f"{FOLDER}/{job_id}")
        return sorted((int(name) for name in names if name.isdecimal()), reverse=True)

    def is_complete(self, job_id: str, attempt: int) -> bool:
        """Whether there is a copy from which another attempt can resume."""
        try:
            self._bucket.find(f"{_folder(job_id, attempt)}/{MANIFEST}")
        except FileNotFoundError:
            return False
        return True

    def restore(self, job_id: str, attempt: int, staged: Path, check: Check = proceed) -> bool:
        """Write an attempt's copy into an empty folder, and return whether it was complete.

        All files are compared with their digests.
        """
        folder = _folder(job_id, attempt)
        try:
            manifest = json.loads(self._bucket.content(f"{folder}/{MANIFEST}"))
            for entry in manifest["files"]:
                path = staged / _safe(entry["name"])
                path.parent.mkdir(parents=True, exist_ok=True)
                digest = entry["sha256"]
                self._bucket.download(f"{folder}/{digest}", path, digest, check)
        except (FileNotFoundError, WrongDigestError, ValueError, KeyError, TypeError) as error:
            logger.warning(
                "the copy of attempt %d of job %s is unusable: %s", attempt, job_id, error
            )
            return False
        return bool(hidden_folders(staged))

    def jobs(self) -> list[str]:
        """Return the ids of the jobs with copies."""
        return self._bucket.folders(FOLDER)

    def delete(self, job_id: str, attempt: int) -> None:
        """Delete an attempt's copy, if there is one."""
        self._bucket.delete_folder(_folder(job_id, attempt))

    def delete_job(self, job_id: str) -> None:
        """Delete the copies of all attempts at a job."""
        self._bucket.delete_folder(f"{FOLDER}/{job_id}")
        for key in [key for key in self._copied if key[0] == job_id]:
            del self._copied[key]

    def _delete_unneeded(self, job_id: str, attempt: int, digests: set[str]) -> None:
        """Delete the copy's objects with these digests and, at first, earlier attempts' copies."""
        self._bucket.delete([f"{_folder(job_id, attempt)}/{digest}" for digest in sorted(digests)])
        if (job_id, attempt) not in self._copied:
            for other in self.attempts(job_id):
                if other < attempt:
                    self.delete(job_id, other)


def _folder(job_id: str, attempt: int) -> str:
    return f"{FOLDER}/{job_id}/{attempt}"


def _files(staged: Path) -> Iterator[tuple[str, Path]]:
    """Yield the names and paths of the files to copy."""
    for parent, folders, names in os.walk(staged):
        folders[:] = sorted(folder for folder in folders if not folder.startswith(NOT_COPIED))
        for name in sorted(names):
            path = Path(parent, name)
            if path.is_file() and not path.is_symlink():
                yield path.relative_to(staged).as_posix(), path


def _described(staged: Path, name: str) -> CopiedFile:
    with (staged / name).open("rb") as file:
        status = os.fstat(file.fileno())
        return CopiedFile(name, status.st_size, sha256_of(file), identity_of(status))


def _safe(name: str) -> PurePosixPath:
    """Return the path of a file in a manifest.

    Raises:
        ValueError: it leads out of the folder.
    """
    path = PurePosixPath(name)
    if path.is_absolute() or not path.parts or ".." in path.parts:
        raise ValueError(f"{name!r} is not the name of a staged file")
    return path
