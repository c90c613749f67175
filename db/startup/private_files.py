"""Measures that keep other users of the machine away from the data folder and the memory."""

import os
import resource
import stat
from pathlib import Path

from db.startup.checks import PRIVATE, data_folder, require
from db.startup.read_settings import SettingsError

UMASK = 0o077
OTHERS = stat.S_IRWXG | stat.S_IRWXO


def keep_private(folder: Path) -> None:
    """Create the data folder if it is missing, and deny other users all access to it.

    The umask is set too, so that files created later are private, and core dumps of this process
    and its children are disabled, because they would hold secrets.

    Raises:
        SettingsError: the folder cannot be created, written to or made private, or belongs to
            another user.
    """
    os.umask(UMASK)
    _disable_core_dumps()
    require([data_folder(folder)])
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if folder.stat().st_mode & OTHERS:
            folder.chmod(0o700)
    except OSError as error:
        raise SettingsError(f"ZPRUNER_DATA_DIR={folder}: {error.strerror}. {PRIVATE}") from None
    if folder.stat().st_mode & OTHERS:
        raise SettingsError(
            f"ZPRUNER_DATA_DIR={folder} is on a file system without permissions. {PRIVATE}"
        )


def _disable_core_dumps() -> None:
    # Linux ignores a limit of 0 if core dumps are piped to a program, but not a limit of 1.
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    limit = min(1, hard) if hard != resource.RLIM_INFINITY else 1
    resource.setrlimit(resource.RLIMIT_CORE, (limit, limit))
