"""Database sessions on SQLite or PostgreSQL."""

import json
import sqlite3
import time
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, ExceptionContext, create_engine, event, make_url
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, SessionTransaction, sessionmaker
from sqlalchemy.pool import PoolProxiedConnection

Sessions = sessionmaker[Session]

BUSY_TIMEOUT = timedelta(seconds=30)
"""How long a writer on SQLite waits, by default, until another writer releases the lock."""
THREADS = 48
"""The API runs its routes on this many threads, and each may need a connection."""
IDLE_TIMEOUT = timedelta(seconds=30)
"""How long a transaction on PostgreSQL may wait, by default, for its client's next statement.

The locks of a process that is frozen, or of a host that lost its power, are then released.
"""
POOL_SIZE = 5
"""Connections to PostgreSQL that a process keeps open; further ones close after use."""
BEGIN = "sqlite_begin"
"""The option of a connection that names the kind of its next transaction; by default DEFERRED."""
_WRITES = {BEGIN: "IMMEDIATE"}
_DRIVER = "sqlite+zpruner"
registry.register("sqlite.zpruner", __name__, "ExplicitBegin")


class ExplicitBegin(SQLiteDialect_pysqlite):
    """Begins each transaction itself, because Python's driver would do it at the first write.

    An event of the engine could do the same, but with one, SQLAlchemy takes a fifth longer for a
    short transaction.
    """

    supports_statement_cache = True

    def set_connection_execution_options(
        self, connection: Connection, opts: Mapping[str, Any]
    ) -> None:
        super().set_connection_execution_options(connection, opts)
        connection.info[BEGIN] = opts.get(BEGIN)

    def do_begin(self, dbapi_connection: PoolProxiedConnection) -> None:
        kind = dbapi_connection.info.pop(BEGIN, None) or "DEFERRED"
        dbapi_connection.execute(f"BEGIN {kind}").close()


class _Session(Session):
    """A session whose explicit ``begin()`` takes SQLite's write lock at once.

    Without the lock, SQLite fails a transaction that reads and later writes, if another transaction
    has written in between.
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
    idle_timeout: timedelta = IDLE_TIMEOUT,
) -> Sessions:
    """Return a session factory: write in ``with sessions.begin()``, read in ``with sessions()``.

    What is executed often and returns no objects is executed by ``session.connection()``, which
    takes half as long; it does not write pending objects first.

    Args:
        statement_timeout: how long a statement may run on PostgreSQL; unlimited by default.
        busy_timeout: how long to wait for a lock: unlimited by default on PostgreSQL,
            ``BUSY_TIMEOUT`` on SQLite.
        idle_timeout: how long PostgreSQL waits for the next statement of a transaction before it
            ends the connection.
    """
    limits = {
        "statement_timeout": statement_timeout,
        "lock_timeout": busy_timeout,
        "idle_in_transaction_session_timeout": idle_timeout,
    }
    engine = _engine(url, busy_timeout or BUSY_TIMEOUT, limits)
    return sessionmaker(engine, class_=_Session, expire_on_commit=False)


def sqlite_file(url: str) -> Path | None:
    """Return the file of a SQLite database, or None for PostgreSQL."""
    parsed = make_url(url)
    return Path(parsed.database or "") if parsed.get_backend_name() == "sqlite" else None


def _engine(url: str, sqlite_timeout: timedelta, limits: Mapping[str, timedelta | None]) -> Engine:
    # NaN and Infinity are not valid JSON. PostgreSQL rejects them, so SQLite must as well.
    strict = partial(json.dumps, allow_nan=False)
    options: dict[str, Any] = {"json_serializer": strict}
    if make_url(url).get_backend_name() == "sqlite":
        return _sqlite(url, options, sqlite_timeout)
    options |= {"pool_size": POOL_SIZE, "max_overflow": THREADS - POOL_SIZE}
    options |= {"pool_pre_ping": True}
    engine = create_engine(url, connect_args=_postgresql(limits), **options)
    event.listen(engine, "handle_error", _as_operational)
    return engine


def _as_operational(context: ExceptionContext) -> OperationalError | None:
    """Return the error of every lost connection as the one class that callers handle.

    The driver has another class for connections that ended because their transaction was idle.
    """
    if not context.is_disconnect or isinstance(context.sqlalchemy_exception, OperationalError):
        return None
    cause = context.original_exception
    return OperationalError(
        context.statement, context.parameters, cause, connection_invalidated=True
    )


def _postgresql(limits: Mapping[str, timedelta | None]) -> dict[str, Any]:
    # The default assumes a spinning disk, and lists would scan whole tables.
    options = ["-c random_page_cost=1.1"]
    options += [f"-c {name}={_ms(limit)}" for name, limit in limits.items() if limit is not None]
    # With another encoding, the driver returns bytes, or cannot send some characters.
    return {"connect_timeout": 5, "client_encoding": "utf8", "options": " ".join(options)}


def _ms(time: timedelta) -> int:
    return int(time.total_seconds() * 1000)


def _sqlite(url: str, options: dict[str, Any], busy_timeout: timedelta) -> Engine:
    parsed = make_url(url).set(drivername=_DRIVER)
    if not parsed.database or ":memory:" in parsed.database:
        raise ValueError("SQLite needs a file: the API and the worker are separate processes")
    # Opening and preparing a connection costs more than keeping it open. The one that was used last
    # has most of what is to be read in its cache.
    options |= {"pool_size": THREADS, "max_overflow": 0, "pool_use_lifo": True}
    engine = create_engine(parsed, **options)
    event.listen(engine, "connect", partial(_prepare, busy_timeout))
    return engine


def _prepare(busy_timeout: timedelta, connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # otherwise the driver begins transactions itself
    connection.execute(f"PRAGMA busy_timeout={_ms(busy_timeout)}").close()
    connection.execute("PRAGMA foreign_keys=ON").close()
    _enable_wal(connection, busy_timeout)


def _enable_wal(connection: sqlite3.Connection, busy_timeout: timedelta) -> None:
    """Switch to write-ahead logging; SQLite ignores its busy timeout here, so retry."""
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
