"""Whether a part of the service can start: its settings, its folders, what it has to reach."""

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
from pydantic import ValidationError
from pydantic_core import ErrorDetails
from sqlalchemy.exc import SQLAlchemyError

from db.core.broker_names import TRANSPORT_OPTIONS
from db.core.redaction import redact
from db.core.revision import (
    SchemaState,
    current_revision,
    hide_password,
    known_revisions,
    schema_state,
)
from db.core.session import sqlite_file
from db.startup.setting_names import ENV_FILE, PREFIX, unknown_names
from db.startup.settings import Settings

State = Literal["ok", "absent", "wrong"]
"""``absent`` is something optional that is not there; ``wrong`` keeps the service from starting."""

CONNECT_TIMEOUT_S = 5.0
"""How long a start waits for a database or a broker that starts beside it."""
RETRY_EVERY_S = 0.25
EXIT_CODE = 2

Kind = TypeVar("Kind", bound=Settings)
Answer = TypeVar("Answer")


class SettingsError(Exception):
    """Settings with which nothing can start; the text has one line for each."""


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes:
        subject: what was checked, such as ``broker``.
        text: one line; of something wrong it names the setting, its value and the remedy.
    """

    subject: str
    state: State
    text: str


@contextmanager
def exit_on_error(program: str) -> Iterator[None]:
    """End this process with one line for each fault, in place of a traceback."""
    try:
        yield
    except (SettingsError, SQLAlchemyError) as error:
        for line in error_text(error).splitlines():
            sys.stderr.write(f"{program}: {line}\n")
        sys.exit(EXIT_CODE)


def error_text(error: Exception) -> str:
    """Return an error for people: what a database refused in one line, others as they are."""
    if isinstance(error, SQLAlchemyError):
        return f"the database refused: {_first_line(error)}"
    return str(error)


def read_settings(kind: type[Kind], **given: object) -> Kind:
    """Read the settings of a part; touches nothing but the environment and ``.env``.

    Raises:
        SettingsError: a value cannot be used, or a name means nothing.
    """
    faults: list[str] = []
    try:
        faults += unknown_names()
        settings = kind.model_validate(given)
    except ValidationError as error:
        # One line for each setting: a value that may be of two kinds is wrong as each of them.
        first = {fault["loc"][0]: fault for fault in reversed(error.errors())}
        raise SettingsError("\n".join([*faults, *map(_value_line, first.values())])) from None
    except (OSError, UnicodeError) as error:
        raise SettingsError(f"{ENV_FILE.absolute()} cannot be read: {error}") from None
    if faults:
        raise SettingsError("\n".join(faults))
    return settings


def require(findings: Iterable[Finding]) -> None:
    """Go on only if nothing is wrong.

    Raises:
        SettingsError: with a line for each finding that is.
    """
    if wrong := [finding.text for finding in findings if finding.state == "wrong"]:
        raise SettingsError("\n".join(wrong))


def print_findings(findings: Iterable[Finding]) -> None:
    """Write findings as JSON, for the process that asked this one for them."""
    sys.stdout.write(json.dumps([asdict(finding) for finding in findings]))


def settings_findings(error: SettingsError) -> list[Finding]:
    """Return a finding for each line of the error."""
    return [Finding("settings", "wrong", line) for line in str(error).splitlines()]


def folders(settings: Settings) -> list[Finding]:
    """Check the data folder and the folders of models and datasets."""
    roots = {"model roots": settings.model_roots, "dataset roots": settings.dataset_roots}
    return [data_folder(settings.data_dir), *(_roots(*one) for one in roots.items())]


def data_folder(folder: Path) -> Finding:
    """Check that the data folder can be written, and be closed to other users."""
    name = f"ZPRUNER_DATA_DIR={folder}"
    if folder.is_dir() and (owner := folder.stat().st_uid) != os.geteuid():
        why = f"{name} belongs to another user (uid {owner}). {PRIVATE}"
        return Finding("data folder", "wrong", why)
    return _writable(folder, name, "data folder")


def database(
    url: str, *, needs_tables: bool = True, timeout_s: float = CONNECT_TIMEOUT_S
) -> Finding:
    """Check that the database answers, and that its tables fit this version.

    Args:
        url: of the database.
        needs_tables: whether tables that are missing or old are wrong, or made by the caller.
        timeout_s: how long to wait for it.
    """
    name = f"ZPRUNER_DATABASE_URL={hide_password(url)}"
    if (file := sqlite_file(url)) is not None and not file.exists():
        if needs_tables:
            return Finding("database", "wrong", f"{name}: no such file. {MIGRATE}")
        return _future(file, name)
    found = _reached(lambda: current_revision(url), 0 if file else timeout_s)
    if isinstance(found, Exception):
        why = f"cannot be reached ({_first_line(found)}). Start it, or correct the setting."
        return Finding("database", "wrong", f"{name} {why}")
    state = schema_state(found)
    if state is SchemaState.newer:
        return Finding("database", "wrong", f"{name} {NEWER.format(found)}")
    if needs_tables and state is not SchemaState.current:
        return Finding("database", "wrong", f"{name} is not up to date. {MIGRATE}")
    return Finding("database", "ok", f"{hide_password(url)}, migration {found}, {state.value}")


def downgrade_target(url: str, wanted: str) -> Finding:
    """Check that the tables can be brought back to a migration."""
    there, found = known_revisions(), current_revision(url)
    if wanted not in there:
        why = f"there is no such migration. Name one of {there[-1]} to {there[0]}."
    elif found is None or there.index(found) > there.index(wanted):
        why = f"the database is at {found or 'none'}, before that. Leave --to out to go on to it."
    else:
        return Finding("migration", "ok", wanted)
    return Finding("migration", "wrong", f"--to={wanted}: {why}")


def unwritable(folder: Path) -> str | None:
    """Say why a folder, or the one that it would be made in, cannot be written to."""
    try:
        there = next(one for one in (folder, *folder.parents) if os.path.lexists(one))
        with TemporaryFile(dir=there):
            return None
    except NotADirectoryError:
        return f"{there} is not a folder. Name another, or remove that file."
    except OSError as error:
        return f"{there} cannot be written ({error.strerror}). Name another, or give the right to."


def broker(url: str, *, timeout_s: float = CONNECT_TIMEOUT_S) -> Finding:
    """Check that the broker answers."""
    found = _reached(lambda: _ping(url), timeout_s)
    if not isinstance(found, Exception):
        return Finding("broker", "ok", redact(url))
    why = f"cannot be reached ({_first_line(found)}). Start it, or correct the setting."
    return Finding("broker", "wrong", f"ZPRUNER_BROKER_URL={redact(url)} {why}")


PRIVATE = "It holds secrets: name a folder of this user's own, perhaps one within that one."
MIGRATE = "Run `zpruner part migrate` first, with the same settings."
NEWER = (
    "is at migration {}, which a newer version of Z-Pruner made. Start that version, or restore "
    "the backup made before the upgrade (docs/upgrades.md)."
)


def _value_line(fault: ErrorDetails) -> str:
    name = str(fault["loc"][0]).upper()
    name = name if name.startswith("HF_") else PREFIX + name
    why = fault["msg"].removeprefix("Value error, ").rstrip(".")
    return redact(
        f"{name}={fault['input']}: {why}. Correct it, in the environment or in .env, or "
        "remove it for the default (docs/settings.md)."
    )


def _future(file: Path, name: str) -> Finding:
    return _writable(file.parent, name, "database", "will be made at the first start")


def _writable(folder: Path, name: str, subject: str, ok: str = "") -> Finding:
    if why := unwritable(folder):
        return Finding(subject, "wrong", f"{name}: {why}")
    return Finding(subject, "ok", ok or str(folder))


def _roots(subject: str, roots: tuple[Path, ...]) -> Finding:
    name = PREFIX + subject.upper().replace(" ", "_")
    missing = [str(root) for root in roots if not os.path.isdir(root)]
    if missing:
        why = f"no such folder: {', '.join(missing)}. Make it, or correct the setting."
        return Finding(subject, "wrong", f"{name}={os.pathsep.join(map(str, roots))}: {why}")
    if not roots:
        return Finding(subject, "absent", f"none: no job may name a local one ({name})")
    return Finding(subject, "ok", ", ".join(map(str, roots)))


def _reached(act: Callable[[], Answer], timeout_s: float) -> Answer | Exception:
    """Return what comes of it, or the last error when the time is over."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            return act()
        except Exception as error:
            # Whatever a driver raises, it is not there.
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
