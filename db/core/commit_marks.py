"""Commit marks: whether anything was committed to the database since an earlier moment."""

import sqlite3
from pathlib import Path
from typing import Protocol

from sqlalchemy import Engine, text

from db.core.session import Sessions, sqlite_file

Mark = int | str | None
"""Two equal marks of one source: nothing was committed between them. None equals no mark."""


class MarkSource(Protocol):
    """Reads the database's present mark.

    Attributes:
        is_immediate: whether a read takes microseconds, so that it needs no thread.
    """

    is_immediate: bool

    def read(self) -> Mark: ...


def mark_source(sessions: Sessions) -> MarkSource:
    """Return the source of marks of the database that the sessions are opened on."""
    engine: Engine = sessions.kw["bind"]
    file = sqlite_file(engine.url.render_as_string(hide_password=False))
    return PostgresMarks(engine) if file is None else SqliteMarks(file)


class SqliteMarks:
    """Marks of a SQLite database; for use by one thread.

    SQLite keeps the number of commits in memory that all processes share, so no file is read. Each
    commit of another connection changes ``data_version``, and this connection commits nothing.
    """

    is_immediate = True

    def __init__(self, file: Path) -> None:
        self._file = file
        self._connection: sqlite3.Connection | None = None

    def read(self) -> Mark:
        """Return the present mark; None if the database is locked."""
        try:
            if self._connection is None:
                self._connection = sqlite3.connect(self._file, timeout=0, check_same_thread=False)
            row = self._connection.execute("PRAGMA data_version").fetchone()
        except sqlite3.OperationalError:
            return None
        version: int = row[0]
        return version


class PostgresMarks:
    """Marks of a PostgreSQL database.

    A snapshot names the transactions that have not ended. Each one that writes has a number, which
    its commit removes from the snapshots, or passes with their upper bound.
    """

    is_immediate = False

    def __init__(self, engine: Engine) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")

    def read(self) -> Mark:
        """Return the present mark, by a query.

        Raises:
            OperationalError: the database does not respond.
        """
        with self._engine.connect() as connection:
            mark: str = connection.scalar(text("SELECT pg_current_snapshot()::text"))
        return mark
