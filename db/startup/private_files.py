"""Keeps what the service writes from other users of the machine."""

import os
import stat
from pathlib import Path

from db.startup.checks import PRIVATE, SettingsError, data_folder, require

UMASK = 0o077
"""Of every process of the service."""
OTHERS = stat.S_IRWXG | stat.S_IRWXO


def keep_private(folder: Path) -> None:
    """Let only this user read what this process writes, and enter the data folder.

    A folder that others may enter is closed to them, which closes everything in it.

    Raises:
        SettingsError: the folder cannot be made, belongs to another user, or cannot be closed.
    """
    os.umask(UMASK)
    require([data_folder(folder)])
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if folder.stat().st_mode & OTHERS:
            folder.chmod(0o700)
    except OSError as error:
        raise SettingsError(f"ZPRUNER_DATA_DIR={folder}: {error.strerror}. {PRIVATE}") from None
    if folder.stat().st_mode & OTHERS:
        raise SettingsError(f"ZPRUNER_DATA_DIR={folder} has no permissions to set. {PRIVATE}")
