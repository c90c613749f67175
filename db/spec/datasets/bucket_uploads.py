"""Uploaded datasets in a bucket, with copies of those in use on each machine."""

import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from db.buckets.bucket import Bucket
from db.buckets.errors import WrongDigestError
from db.spec.datasets.upload_store import SUFFIXES, UploadStore
from zpruner.files.digests import file_sha256

FOLDER = "uploads"
KEPT_FOR = timedelta(days=7)
"""How long a copy on this machine is kept after its last use."""


class BucketUploads(UploadStore):
    """Uploaded datasets as objects ``uploads/<dataset_id>.<suffix>``.

    Args:
        root: the folder of the copies on this machine.
    """

    def __init__(self, bucket: Bucket, root: Path) -> None:
        super().__init__(root)
        self._bucket = bucket

    def stage(self, media_type: str) -> Path:
        self._delete_unused()
        return super().stage(media_type)

    def place(self, staged: Path, dataset_id: str, sha256: str) -> None:
        name = f"{dataset_id}{staged.suffix}"
        self._bucket.upload(staged, f"{FOLDER}/{name}", sha256)
        staged.rename(self._root / name)

    def fetch(self, dataset_id: str, media_type: str, sha256: str) -> None:
        """Download a dataset's file, unless an intact copy is here.

        A damaged object is kept as it is here, so that its reader reports the wrong digest.
        """
        self._delete_unused()
        path = self.path(dataset_id, media_type)
        if path.is_file() and file_sha256(path) == sha256:
            path.touch()
            return
        downloaded = super().stage(media_type)
        try:
            with suppress(WrongDigestError):
                self._bucket.download(f"{FOLDER}/{path.name}", downloaded, sha256)
            downloaded.rename(path)
        except FileNotFoundError:
            path.unlink(missing_ok=True)
        finally:
            downloaded.unlink(missing_ok=True)

    def delete(self, dataset_id: str) -> None:
        names = [f"{dataset_id}{suffix}" for suffix in SUFFIXES.values()]
        for name in names:
            (self._root / name).unlink(missing_ok=True)
        self._bucket.delete([f"{FOLDER}/{name}" for name in names])

    def unmodified_for(self, age: timedelta) -> list[str]:
        before = datetime.now(UTC) - age
        objects = self._bucket.objects(FOLDER)
        return [Path(stored.name).stem for stored in objects if stored.modified < before]

    def _delete_unused(self) -> None:
        """Delete the copies, and the incomplete files, that were not used for a long time."""
        before = time.time() - KEPT_FOR.total_seconds()
        for path in self._root.iterdir() if self._root.is_dir() else ():
            with suppress(FileNotFoundError):  # another process deleted it
                if path.stat().st_mtime < before:
                    path.unlink()
