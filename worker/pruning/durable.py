"""Files that are whole or not there at all, whenever the power goes."""

import hashlib
import os
from pathlib import Path


def flush(path: Path) -> None:
    """Have a file, or a folder's list of names, reach the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def put(written: Path, target: Path) -> None:
    """Give a finished file its name; until then nobody sees it there."""
    flush(written)
    written.replace(target)
    flush(target.parent)


def sha256(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
