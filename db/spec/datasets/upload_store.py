"""The upload store: the files of uploaded datasets, named after their ids."""

import re
import time
from abc import ABC, abstractmethod
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

from db.core.errors import SpecRefusedError
from db.core.fsync import sync_folder
from db.core.ids import id_pattern

UPLOADED = "uploaded:"
SUFFIXES = {"text/plain": ".txt", "application/jsonl": ".jsonl", "text/csv": ".csv"}
"""The file suffix for each media type; readers determine the format from the suffix."""
LIST_UPLOADS = "GET /v1/datasets lists what was uploaded; POST a file there to upload one."


class UploadStore(ABC):
    """The files of uploaded datasets. A complete file becomes visible as a whole.

    Readers use files in a folder of this machine, to which `fetch` adds those that are elsewhere.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def stage(self, media_type: str) -> Path:
        """Return the path for a new file; `place` stores the complete file for the dataset."""
        self._root.mkdir(parents=True, exist_ok=True)
        return self._root / f".{uuid4().hex}{SUFFIXES[media_type]}"

    def path(self, dataset_id: str, media_type: str) -> Path:
        """Return the path of a dataset's file on this machine."""
        return self._root / f"{dataset_id}{SUFFIXES[media_type]}"

    @abstractmethod
    def place(self, staged: Path, dataset_id: str, sha256: str) -> None:
        """Store a staged file for the dataset; the file must already be flushed to disk."""

    @abstractmethod
    def fetch(self, dataset_id: str, media_type: str, sha256: str) -> None:
        """Make a dataset's file available on this machine; a missing file is ignored."""

    @abstractmethod
    def delete(self, dataset_id: str) -> None:
        """Delete a file by its name without the suffix, such as the id of its dataset."""

    @abstractmethod
    def unmodified_for(self, age: timedelta) -> list[str]:
        """Return the ids of the files that were last modified at least `age` ago.

        A staged file has no id; its name without the suffix is returned instead.
        """


class FileUploads(UploadStore):
    """Uploaded datasets in one folder; a rename makes each complete file visible."""

    def place(self, staged: Path, dataset_id: str, sha256: str) -> None:
        staged.rename(self._root / f"{dataset_id}{staged.suffix}")
        sync_folder(self._root)

    def fetch(self, dataset_id: str, media_type: str, sha256: str) -> None:
        """Do nothing: all files are on this machine."""

    def delete(self, dataset_id: str) -> None:
        for suffix in SUFFIXES.values():
            (self._root / f"{dataset_id}{suffix}").unlink(missing_ok=True)

    def unmodified_for(self, age: timedelta) -> list[str]:
        before = time.time() - age.total_seconds()
        paths = self._root.iterdir() if self._root.is_dir() else ()
        return [path.stem for path in paths if path.stat().st_mtime < before]


def uploaded_file(name: str, field: str, root: Path | None) -> Path:
    """Return the path of the file that `name` (``uploaded:`` and an id) refers to.

    Raises:
        SpecRefusedError: `name` refers to no uploaded file.
    """
    dataset_id = name.removeprefix(UPLOADED)
    if root is not None and re.fullmatch(id_pattern("dat"), dataset_id):
        for suffix in SUFFIXES.values():
            if (path := root / f"{dataset_id}{suffix}").is_file():
                return path
    raise not_uploaded(name, field)


def not_uploaded(name: str, field: str) -> SpecRefusedError:
    reason = "no such dataset was uploaded, or it was deleted"
    return SpecRefusedError(field, name, "dataset_not_found", reason, LIST_UPLOADS)
