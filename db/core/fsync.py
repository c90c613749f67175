"""Flushing of folders to disk."""

import os
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """Flush `folder`, so that creations, renames and deletions in it survive a power failure."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
