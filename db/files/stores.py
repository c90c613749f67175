"""The stores that the settings name."""

from datetime import timedelta
from pathlib import Path

from db.buckets.bucket import Bucket
from db.files.artifact_store import ArtifactStore
from db.files.bucket_store import BucketStore
from db.files.file_store import FileStore
from db.files.staging import FOLDER, Staging
from db.spec.datasets.bucket_uploads import BucketUploads
from db.spec.datasets.upload_store import FileUploads, UploadStore
from db.startup.settings import Settings

RETRY_FOR = timedelta(minutes=3)
"""How long a worker repeats a request to a bucket that does not respond."""
SHORT_RETRY_FOR = timedelta(seconds=10)
"""The same for processes that others wait for: the API, control, and the parents of workers."""


def open_store(settings: Settings, retry_for: timedelta = RETRY_FOR) -> ArtifactStore:
    """Return the store of finished files."""
    location = settings.artifact_location
    if isinstance(location, Path):
        return FileStore(settings.artifact_dir)
    return BucketStore(Bucket(location, retry_for), Staging(settings.artifact_dir / FOLDER))


def open_uploads(settings: Settings, retry_for: timedelta = RETRY_FOR) -> UploadStore:
    """Return the store of uploaded datasets."""
    location = settings.artifact_location
    if isinstance(location, Path):
        return FileUploads(settings.upload_dir)
    return BucketUploads(Bucket(location, retry_for), settings.upload_dir)
