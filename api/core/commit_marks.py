"""Commit marks: if two marks are equal, nothing was committed to the database between them."""

import sqlite3
from pathlib import Path
from typing import Protocol

from sqlalchemy import Engine, text

from db.core.session import Sessions, sqlite_file

Mark = int | str | None
"""A value that changes with every commit: if two marks from one source are equal, nothing was
committed between their reads. None means unknown; do not treat it as equal to any mark."""


class MarkSource(Protocol):
    """Reads the database's current commit mark.

    Attributes:
        is_immediate: whether a read takes microseconds, so that it needs no thread.
    """

    is_immediate: bool

    def read(self) -> Mark: ...


def mark_source(sessions: Sessions) -> MarkSource:
    """Return the source of commit marks for the database of these sessions."""
    engine: Engine = sessions.kw["bind"]
    file = sqlite_file(engine.url.render_as_string(hide_password=False))
    return PostgresMarks(engine) if file is None else SqliteMarks(file)


class SqliteMarks:
    """Marks of a SQLite database; for use by one thread.

    SQLite keeps a commit counter in memory that all processes share, so no file is read. Each
    commit of another connection changes ``data_version``, and this connection commits nothing.
    """

    is_immediate = True

    def __init__(self, file: Path) -> None:
        self._file = file
        self._connection: sqlite3.Connection | None = None

    def read(self) -> Mark:
        """Return the current mark; None if it cannot be read, for example because of a lock."""
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

    A mark is the text of a snapshot, which tells which transactions have ended. So it changes with
    every commit of a transaction that has written something.
    """

    is_immediate = False

    def __init__(self, engine: Engine) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")

    def read(self) -> Mark:
        """Query the current mark.

        Raises:
            OperationalError: the database does not respond.
        """
        with self._engine.connect() as connection:
            mark: str = connection.scalar(text("SELECT pg_current_snapshot()::text"))
        return mark
