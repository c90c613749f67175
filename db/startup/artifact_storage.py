"""The check of the place where finished files are stored, before a part of the service starts."""

import os
from datetime import timedelta
from pathlib import Path

from db.buckets.bucket import Bucket
from db.buckets.errors import BucketError
from db.startup.checks import Finding, unwritable
from db.startup.settings import Settings

SUBJECT = "artifacts"
RETRY_FOR = timedelta(seconds=3)


def check_artifacts(settings: Settings) -> list[Finding]:
    """Check that finished files can be stored where the setting says; nothing without the setting.

    A small object is written to a bucket and deleted again.
    """
    if settings.artifact_url is None:
        return []
    location = settings.artifact_location
    if isinstance(location, Path):
        return [_folder(location, f"ZPRUNER_ARTIFACT_URL={settings.artifact_url}")]
    try:
        Bucket(location, RETRY_FOR).check()
    except BucketError as error:
        return [Finding(SUBJECT, "wrong", str(error))]
    return [Finding(SUBJECT, "ok", str(location))]


def _folder(folder: Path, name: str) -> Finding:
    if folder.is_dir() and not os.access(folder, os.R_OK | os.X_OK):
        return Finding(SUBJECT, "wrong", f"{name}: the folder cannot be read. Grant access.")
    if why := unwritable(folder):
        return Finding(SUBJECT, "wrong", f"{name}: {why}")
    return Finding(SUBJECT, "ok", str(folder))
