"""Values that were computed once, each in a small file that may be deleted at any time."""

import json
import logging
import os
import time
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from worker.pruning.base.durable_files import move_into_place

logger = logging.getLogger(__name__)
MOST_BYTES = 1 << 30
"""The most bytes that the files of a folder take; those that were not used for longest go first."""
MOST_AGE_S = 30 * 24 * 3600.0
"""How long a file stays after it was used last."""
_SUFFIX = ".json"


def read_value(path: Path) -> Any:
    """Return the value in a file; None if there is none, or if it was not written for this file."""
    try:
        stored = json.loads(path.read_text("utf-8"))
        if stored["sha256"] == _digest(path, stored["value"]):
            with suppress(OSError):  # a folder that cannot be written can be read
                os.utime(path)
            return stored["value"]
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError):  # no JSON, or other JSON
        pass
    logger.warning("%s is damaged, or not of this measurement; measuring again", path)
    return None


def write_value(path: Path, value: object) -> None:
    """Store a value, so that a reader finds it as a whole or not at all; delete unused files.

    Two processes may write a file at the same time.

    Args:
        path: the file, whose name ends with ``.json`` and is a digest of all that the value depends
            on.
        value: a value that is the same after conversion to JSON and back.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    content = json.dumps({"sha256": _digest(path, value), "value": value})
    with NamedTemporaryFile(
        "w", dir=path.parent, prefix=f"{path.stem}.", delete=False, encoding="utf-8"
    ) as file:
        file.write(content)
    move_into_place(Path(file.name), path)
    delete_unused(path.parent, time.time(), _SUFFIX, MOST_BYTES)


def delete_unused(folder: Path, now: float, suffix: str, most_bytes: int) -> None:
    """Delete the files that were not used for long, and those above ``most_bytes``.

    Args:
        folder: their folder.
        now: in seconds since 1970.
        suffix: that of files that are whole.
        most_bytes: how much they take together at most.
    """
    with os.scandir(folder) as entries:
        files = [(Path(entry), entry.stat()) for entry in entries if entry.is_file()]
    total = 0
    for path, status in sorted(files, key=lambda file: file[1].st_mtime, reverse=True):
        is_whole = path.suffix == suffix  # another process may be writing the others
        total += status.st_size * is_whole
        if now - status.st_mtime > MOST_AGE_S or (is_whole and total > most_bytes):
            path.unlink(missing_ok=True)


def _digest(path: Path, value: object) -> str:
    """Return the SHA-256 of a value and of the name of its file."""
    return sha256(f"{path.stem}\0{json.dumps(value, sort_keys=True)}".encode()).hexdigest()
