"""Keeps what the service writes from other users of the machine."""

import os
import stat
from pathlib import Path

from db.checks import SettingsError

PRIVATE_FILES = 0o077
"""The umask of every process of the service."""
OTHERS = stat.S_IRWXG | stat.S_IRWXO


def keep_private(folder: Path) -> None:
    """Let only this user read what this process writes, and enter the data folder.

    A folder that others may enter is closed to them, which closes all that lies in it.

    Raises:
        SettingsError: the folder cannot be made, belongs to another user, or cannot be closed.
    """
    os.umask(PRIVATE_FILES)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if (owner := folder.stat().st_uid) != os.geteuid():
            raise _exposed(folder, f"belongs to another user (uid {owner})")
        if folder.stat().st_mode & OTHERS:
            folder.chmod(0o700)
    except OSError as error:
        raise _exposed(folder, f"cannot be made private ({error.strerror})") from None
    if folder.stat().st_mode & OTHERS:
        raise _exposed(folder, "is on a file system without permissions")


def _exposed(folder: Path, why: str) -> SettingsError:
    return SettingsError(
        f"ZPRUNER_DATA_DIR={folder} {why}. It holds signing secrets: set a folder that this user "
        "owns and that others cannot enter (mode 0700), such as one of its own below that one."
    )
