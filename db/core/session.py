"""Sessions on SQLite or PostgreSQL, and the migrations that bring either up to date."""

import json
import sqlite3
import time
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.orm import Session, SessionTransaction, sessionmaker

Sessions = sessionmaker[Session]

MIGRATIONS = Path(__file__).parents[1] / "migrations"
BUSY_TIMEOUT = timedelta(seconds=30)
"""How long a writer waits while another process holds the database."""
THREADS = 48
"""The API runs routes on so many, and each may want a connection."""
KEPT_OPEN = 5
"""A server has each of a few processes' connections to pay for; the others close after use."""
_MIGRATION_LOCK = 0x7A70726E  # "zprn"
_BEGIN = "sqlite_begin"
_WRITES = {_BEGIN: "IMMEDIATE"}


class _Session(Session):
    """A session whose explicit ``begin()`` announces that it will write.

    SQLite fails a reader that turns into a writer late; the write lock is taken first instead.
    """

    def begin(self, nested: bool = False) -> SessionTransaction:
        transaction = super().begin(nested)
        if not nested:
            self.connection(execution_options=_WRITES)
        return transaction


def open_sessions(
    url: str,
    *,
    statement_timeout: timedelta | None = None,
    busy_timeout: timedelta | None = None,
) -> Sessions:
    """Return a factory: ``with sessions.begin()`` to write, ``with sessions()`` to read.

    Args:
        statement_timeout: how long PostgreSQL may take for a statement; by default for ever.
        busy_timeout: how long to wait for what another holds: a lock in PostgreSQL, by default for
            ever, or the only place of a writer in SQLite, by default ``BUSY_TIMEOUT``.
    """
    engine = _engine(url, statement_timeout, busy_timeout)
    return sessionmaker(engine, class_=_Session, expire_on_commit=False)


def migrate(url: str) -> None:
    """Bring the database's tables up to date; of two that start together one waits."""
    if (file := sqlite_file(url)) is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
    engine = _engine(url)
    try:
        with engine.connect().execution_options(**_WRITES) as connection, connection.begin():
            _wait_for_turn(connection)
            command.upgrade(migration_config(connection), "head")
    finally:
        engine.dispose()


def migration_config(connection: Connection) -> Config:
    """Return alembic's configuration, bound to an open connection."""
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config


def sqlite_file(url: str) -> Path | None:
    """Return the file that a database of SQLite is; None for any other."""
    parsed = make_url(url)
    return Path(parsed.database or "") if parsed.get_backend_name() == "sqlite" else None


def _wait_for_turn(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})"))


def _engine(
    url: str,
    statement_timeout: timedelta | None = None,
    busy_timeout: timedelta | None = None,
) -> Engine:
    # NaN and Infinity are no JSON; PostgreSQL would refuse them, so SQLite must as well.
    strict = partial(json.dumps, allow_nan=False)
    options: dict[str, Any] = {"json_serializer": strict, "pool_pre_ping": True}
    if make_url(url).get_backend_name() == "sqlite":
        return _sqlite(url, options, busy_timeout or BUSY_TIMEOUT)
    options |= {"pool_size": KEPT_OPEN, "max_overflow": THREADS - KEPT_OPEN}
    limits = {"statement_timeout": statement_timeout, "lock_timeout": busy_timeout}
    return create_engine(url, connect_args=_postgresql(limits), **options)


def _postgresql(limits: Mapping[str, timedelta | None]) -> dict[str, Any]:
    # Its default is a turning disk's: lists would read the whole table instead of an index.
    options = ["-c random_page_cost=1.1"]
    options += [f"-c {name}={_ms(limit)}" for name, limit in limits.items() if limit is not None]
    return {"connect_timeout": 5, "options": " ".join(options)}


def _ms(time: timedelta) -> int:
    return int(time.total_seconds() * 1000)


def _sqlite(url: str, options: dict[str, Any], busy_timeout: timedelta) -> Engine:
    if not (database := make_url(url).database) or ":memory:" in database:
        raise ValueError("SQLite needs a file: the API and the worker are different processes")
    # Opening a file and preparing it costs more than to keep it open.
    engine = create_engine(url, pool_size=THREADS, max_overflow=0, **options)
    event.listen(engine, "connect", partial(_prepare, busy_timeout))
    event.listen(engine, "begin", _begin)
    return engine


def _prepare(busy_timeout: timedelta, connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # or the driver begins transactions of its own
    connection.execute(f"PRAGMA busy_timeout={_ms(busy_timeout)}").close()
    connection.execute("PRAGMA foreign_keys=ON").close()
    _write_ahead(connection, busy_timeout)


def _write_ahead(connection: sqlite3.Connection, busy_timeout: timedelta) -> None:
    """Switch to the write-ahead log, for which SQLite ignores its own timeout."""
    deadline = time.monotonic() + busy_timeout.total_seconds()
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL").close()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


def _begin(connection: Connection) -> None:
    kind = connection.get_execution_options().get(_BEGIN, "DEFERRED")
    connection.exec_driver_sql(f"BEGIN {kind}")
