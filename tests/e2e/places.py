"""The places where a service could leave the value of a secret, each with its content."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import psutil

from tests.e2e.embedded import REQUEST_S, Service

OF_A_JOB = (
    "",
    "/result",
    "/metrics",
    "/events",
    "/logs",
    "/blocks",
    "/manifest",
    "/provenance",
    "/artifacts",
)
OF_THE_SERVICE = (
    "/metrics",
    "/readyz",
    "/openapi.json",
    "/v1/jobs",
    "/v1/secrets",
    "/v1/audit",
    "/v1/workers",
    "/v1/queues",
    "/v1/storage",
    "/v1/webhooks",
    "/v1/me",
)


def responses(service: Service, paths: list[str]) -> Iterator[tuple[str, bytes]]:
    """Yield the response to a GET request for each path, with its status line and headers."""
    for path in paths:
        response = httpx.get(f"{service.url}{path}", timeout=REQUEST_S)
        yield f"GET {path}", repr(response.headers.multi_items()).encode() + response.content


def processes(service: Service) -> Iterator[tuple[str, bytes]]:
    """Yield the command line and the environment of each process of the service."""
    for process in service.processes():
        with suppress(psutil.NoSuchProcess):  # it ends while it is inspected
            yield f"command line of {process.pid}", repr(process.cmdline()).encode()
            yield f"environment of {process.pid}", repr(process.environ()).encode()


def tables(database: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the rows of each table of a SQLite database."""
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        for (name,) in names.fetchall():
            rows = connection.execute(f'SELECT * FROM "{name}"').fetchall()
            yield f"table {name}", repr(rows).encode()
    connection.close()


def files(*folders: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the content of each file in the folders."""
    for folder in folders:
        for path in paths(folder):
            with suppress(FileNotFoundError):  # a worker has just deleted it
                if path.is_file():
                    yield f"file {path.relative_to(folder.parent)}", path.read_bytes()


def paths(folder: Path) -> Iterator[Path]:
    """Yield the folder and all that is in it; anything in it may be deleted meanwhile."""
    yield folder
    for parent, folders, names in os.walk(folder):
        yield from (Path(parent, name) for name in (*folders, *names))
