"""Checks before a part of the service starts: its settings, folders, database and broker."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Literal, TypeVar

from kombu import Connection
from sqlalchemy.exc import SQLAlchemyError

from db.core.broker_names import TRANSPORT_OPTIONS
from db.core.redaction import redact
from db.core.session import sqlite_file
from db.schema.revision import (
    SchemaState,
    current_revision,
    encoding_of,
    hide_password,
    known_revisions,
    schema_state,
)
from db.startup.read_settings import SettingsError
from db.startup.setting_names import PREFIX
from db.startup.settings import Settings

State = Literal["ok", "absent", "wrong"]
"""``absent``: something optional is missing. ``wrong``: the service cannot start."""

CONNECT_TIMEOUT_S = 5.0
"""How long to wait for a database or broker that starts at the same time."""
RETRY_EVERY_S = 0.25
EXIT_CODE = 2

T = TypeVar("T")


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Attributes:
        subject: the thing checked, such as ``broker``.
        text: one line, which gives the setting and the remedy if the state is ``wrong``.
    """

    subject: str
    state: State
    text: str


@contextmanager
def exit_on_error(program: str) -> Iterator[None]:
    """On a settings or database error, print it to standard error and exit with ``EXIT_CODE``."""
    try:
        yield
    except (SettingsError, SQLAlchemyError) as error:
        for line in error_text(error).splitlines():
            sys.stderr.write(f"{program}: {line}\n")
        sys.exit(EXIT_CODE)


def error_text(error: Exception) -> str:
    """Return the error's message; a database error is shortened to one line."""
    if isinstance(error, SQLAlchemyError):
        return f"the database reported an error: {_first_line(error)}"
    return str(error)


def require(findings: Iterable[Finding]) -> None:
    """Raise an error if any finding is ``wrong``.

    Raises:
        SettingsError: at least one finding is ``wrong``; the message has a line for each.
    """
    if wrong := [finding.text for finding in findings if finding.state == "wrong"]:
        raise SettingsError("\n".join(wrong))


def print_findings(findings: Iterable[Finding]) -> None:
    """Write the findings to standard output as JSON, for the parent process."""
    sys.stdout.write(json.dumps([asdict(finding) for finding in findings]))


def settings_findings(error: SettingsError) -> list[Finding]:
    """Return a ``wrong`` finding for each line of the error's message."""
    return [Finding("settings", "wrong", line) for line in str(error).splitlines()]


def folders(settings: Settings) -> list[Finding]:
    """Check the data folder, and that the root folders of models and datasets exist."""
    roots = {"model roots": settings.model_roots, "dataset roots": settings.dataset_roots}
    return [data_folder(settings.data_dir), *(_roots(*item) for item in roots.items())]


def data_folder(folder: Path) -> Finding:
    """Check that this user owns the data folder and can write to it, or else can create it."""
    name = f"ZPRUNER_DATA_DIR={folder}"
    if folder.is_dir() and (owner := folder.stat().st_uid) != os.geteuid():
        why = f"{name} belongs to another user (uid {owner}). {PRIVATE}"
        return Finding("data folder", "wrong", why)
    return _writable(folder, name, "data folder")


def database(
    url: str, *, needs_tables: bool = True, timeout_s: float = CONNECT_TIMEOUT_S
) -> Finding:
    """Check that the database can be reached and its tables fit this version.

    Args:
        url: the database's URL.
        needs_tables: whether missing or outdated tables are an error; False if the caller migrates.
        timeout_s: how long to wait for a database server; a SQLite file is tried once.
    """
    name = f"ZPRUNER_DATABASE_URL={hide_password(url)}"
    if (file := sqlite_file(url)) is not None and not file.exists():
        if needs_tables:
            return Finding("database", "wrong", f"{name}: no such file. {MIGRATE}")
        return _writable(file.parent, name, "database", "the first start creates it")
    read = _retry(lambda: (encoding_of(url), current_revision(url)), 0 if file else timeout_s)
    if isinstance(read, Exception):
        why = f"cannot be reached ({_first_line(read)}). Start it, or correct the setting."
        return Finding("database", "wrong", f"{name} {why}")
    encoding, revision = read
    if encoding not in (None, "UTF8"):
        return Finding("database", "wrong", f"{name} {ENCODING.format(encoding)}")
    state = schema_state(revision)
    if state is SchemaState.newer:
        return Finding("database", "wrong", f"{name} {NEWER.format(revision)}")
    if needs_tables and state in {SchemaState.empty, SchemaState.older}:
        return Finding("database", "wrong", f"{name} is not up to date. {MIGRATE}")
    return Finding("database", "ok", f"{hide_password(url)}, migration {revision}, {state.value}")


def downgrade_target(url: str, wanted: str) -> Finding:
    """Check that the database can be downgraded to the migration `wanted`."""
    known, revision = known_revisions(), current_revision(url)
    if wanted not in known:
        why = f"there is no such migration. Choose one from {known[-1]} to {known[0]}."
    elif revision not in (None, *known):
        why = f"the database is at {revision}. Use the newer version that it belongs to."
    elif revision is None or known.index(revision) > known.index(wanted):
        why = f"the database is older ({revision or 'empty'}). Omit --to to upgrade."
    else:
        return Finding("migration", "ok", wanted)
    return Finding("migration", "wrong", f"--to={wanted}: {why}")


def unwritable(folder: Path) -> str | None:
    """Return why a folder is not writable, or None if it is.

    If the folder is missing, its nearest existing parent is checked.
    """
    try:
        existing = next(path for path in (folder, *folder.parents) if os.path.lexists(path))
        with TemporaryFile(dir=existing):
            return None
    except NotADirectoryError:
        return f"{existing} is not a folder. Name another, or remove that file."
    except OSError as error:
        return f"{existing} is not writable ({error.strerror}). Name another, or grant access."


def broker(url: str, *, timeout_s: float = CONNECT_TIMEOUT_S) -> Finding:
    """Check that the broker can be reached."""
    answer = _retry(lambda: _ping(url), timeout_s)
    if not isinstance(answer, Exception):
        return Finding("broker", "ok", redact(url))
    why = f"cannot be reached ({_first_line(answer)}). Start it, or correct the setting."
    return Finding("broker", "wrong", f"ZPRUNER_BROKER_URL={redact(url)} {why}")


PRIVATE = "It holds secrets: name a folder that this user owns, such as a subfolder."
MIGRATE = "Run `zpruner part migrate` first, with the same settings."
ENCODING = (
    "has the encoding {}, which cannot hold every text. Create a database with "
    "ENCODING 'UTF8' TEMPLATE template0."
)
NEWER = (
    "is at migration {}, which belongs to a newer version of Z-Pruner. Start that version, or "
    "restore the backup from before the upgrade (docs/upgrades.md)."
)


def _writable(folder: Path, name: str, subject: str, ok: str = "") -> Finding:
    if why := unwritable(folder):
        return Finding(subject, "wrong", f"{name}: {why}")
    return Finding(subject, "ok", ok or str(folder))


def _roots(subject: str, roots: tuple[Path, ...]) -> Finding:
    name = PREFIX + subject.upper().replace(" ", "_")
    missing = [str(root) for root in roots if not os.path.isdir(root)]
    if missing:
        why = f"no such folder: {', '.join(missing)}. Create it, or correct the setting."
        return Finding(subject, "wrong", f"{name}={os.pathsep.join(map(str, roots))}: {why}")
    if not roots:
        return Finding(subject, "absent", f"none: jobs cannot use local ones ({name})")
    return Finding(subject, "ok", ", ".join(map(str, roots)))


def _retry(action: Callable[[], T], timeout_s: float) -> T | Exception:
    """Run `action` until it succeeds; return its result, or its last error after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            return action()
        except Exception as error:  # drivers raise errors of their own
            if time.monotonic() >= deadline:
                return error
        time.sleep(RETRY_EVERY_S)


def _ping(url: str) -> None:
    options = TRANSPORT_OPTIONS | {"max_retries": 0, "socket_timeout": 3}
    with Connection(url, transport_options=options) as connection:
        _ = connection.default_channel


def _first_line(error: Exception) -> str:
    cause = getattr(error, "orig", None) or error
    lines = str(cause).splitlines() or [type(cause).__name__]
    return redact(lines[0].strip().removesuffix("."))
