"""The folder in memory through which the API's processes share rate limits and metrics."""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

# A write to a mapped file on a disk can wait for the disk, and fails the process if that is full.
MEMORY = Path("/dev/shm")  # noqa: S108 - used with random names of mode 0700
PREFIX = "zpruner-api-"
NEW_FOR_S = 60.0
"""How long an unlocked folder is kept, in case its service has not locked it yet."""


@contextmanager
def shared_folder() -> Iterator[Path]:
    """Create the folder, and remove it afterwards; also remove folders left by killed services."""
    parent = MEMORY if os.access(MEMORY, os.W_OK) else Path(tempfile.gettempdir())
    for folder in parent.glob(f"{PREFIX}*"):
        with suppress(OSError):  # another user's, or in use
            _remove_abandoned(folder)
    with tempfile.TemporaryDirectory(prefix=PREFIX, dir=parent) as name, _opened(Path(name)) as fd:
        fcntl.flock(fd, fcntl.LOCK_SH)
        yield Path(name)


def _remove_abandoned(folder: Path) -> None:
    with _opened(folder) as fd:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if time.time() - folder.stat().st_mtime > NEW_FOR_S:
            shutil.rmtree(folder)


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        yield fd
    finally:
        os.close(fd)
