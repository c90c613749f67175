"""The upload store: texts that callers sent, each a file that is named after its dataset."""

import re
import time
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

from db.core.errors import SpecRefusedError
from db.core.fsync import sync_folder
from db.core.ids import id_pattern

UPLOADED = "uploaded:"
SUFFIXES = {"text/plain": ".txt", "application/jsonl": ".jsonl", "text/csv": ".csv"}
"""By what the file is; whoever reads it goes by the suffix."""
LIST_UPLOADS = "GET /v1/datasets lists what was uploaded; POST a file there to upload one."


class UploadStore:
    """Files below one folder, each put in place by one rename."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def stage(self, media_type: str) -> Path:
        """Return where a file may be written that is not a dataset yet."""
        self._root.mkdir(parents=True, exist_ok=True)
        return self._root / f".{uuid4().hex}{SUFFIXES[media_type]}"

    def place(self, staged: Path, dataset_id: str) -> None:
        """Make a staged file, which is on disk already, the dataset's."""
        staged.rename(self._root / f"{dataset_id}{staged.suffix}")
        sync_folder(self._root)

    def delete(self, dataset_id: str) -> None:
        """Delete a dataset's file, or what was staged under this name."""
        for suffix in SUFFIXES.values():
            (self._root / f"{dataset_id}{suffix}").unlink(missing_ok=True)

    def unmodified_for(self, age: timedelta) -> list[str]:
        """Return the names of the files that nobody has written to for so long."""
        before = time.time() - age.total_seconds()
        found = self._root.iterdir() if self._root.is_dir() else ()
        return [path.stem for path in found if path.stat().st_mtime < before]


def uploaded_file(name: str, field: str, root: Path | None) -> Path:
    """Return where the file lies that ``field`` names as ``uploaded:`` and a dataset's id.

    Raises:
        SpecRefusedError: there is none.
    """
    dataset_id = name.removeprefix(UPLOADED)
    if root is not None and re.fullmatch(id_pattern("dat"), dataset_id):
        for suffix in SUFFIXES.values():
            if (path := root / f"{dataset_id}{suffix}").is_file():
                return path
    raise not_uploaded(name, field)


def not_uploaded(name: str, field: str) -> SpecRefusedError:
    """Return the refusal of a dataset that there is not."""
    reason = "no such dataset was uploaded, or it was deleted"
    return SpecRefusedError(field, name, "dataset_not_found", reason, LIST_UPLOADS)
