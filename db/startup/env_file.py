"""Settings in a file: ``.env`` in the data folder, or the file that ``ZPRUNER_ENV_FILE`` names.

A ``.env`` in the current folder is not read. The folder may be somebody else's, such as that of a
downloaded model, and its file could have the user's tokens sent to another server.
"""

import os
import sys
from pathlib import Path

from dotenv import dotenv_values

from db.startup.connection_settings import ConnectionSettings

VARIABLE, DATA_DIR = "ZPRUNER_ENV_FILE", "ZPRUNER_DATA_DIR"
PREFIXES = ("AWS_", "HF_", "OTEL_", "ZPRUNER_")
"""The variables of the service, and those of its libraries, which read only the environment."""


def read_env_file() -> None:
    """Set the variables of the file that the environment does not set already.

    Raises:
        OSError: the file cannot be read, or the named file does not exist.
        ValueError: the file is not text, or a file in the data folder names another data folder.
    """
    path = env_file()
    try:
        variables = _variables(path)
    except UnicodeError as error:
        raise ValueError(f"{path} is not text: {error}") from None
    if not os.environ.get(VARIABLE) and DATA_DIR in variables:
        raise ValueError(f"{path} is in the data folder and sets {DATA_DIR}. Remove that line")
    for name, value in variables.items():
        os.environ.setdefault(name, value)


def env_file() -> Path:
    """Return the file of settings; the default one may be missing.

    Raises:
        FileNotFoundError: the named file does not exist.
    """
    if named := os.environ.get(VARIABLE):
        if not (path := Path(os.path.expanduser(named))).is_file():
            raise FileNotFoundError(f"{VARIABLE}={named}: no such file")
        return path
    folder = os.environ.get(DATA_DIR) or ConnectionSettings.model_fields["data_dir"].default
    return Path(os.path.expanduser(folder), ".env")


def warn_of_ignored_file(program: str) -> None:
    """Name a ``.env`` in the current folder, and its variables that are not used, in one line."""
    path = Path(".env")
    if path.is_file() and not os.environ.get(VARIABLE) and not _is_same(path, env_file()):
        try:
            names = ", ".join(_variables(path))
        except (OSError, ValueError):
            return
        if names:
            sys.stderr.write(
                f"{program}: {path.absolute()} is not used ({names}). "
                f"To use it: --env-file .env, or {VARIABLE}=.env.\n"
            )


def _variables(path: Path) -> dict[str, str]:
    variables = dotenv_values(path).items()  # .env.example has names without values
    return {name: value for name, value in variables if value and name.startswith(PREFIXES)}


def _is_same(path: Path, other: Path) -> bool:
    return other.exists() and path.samefile(other)
