"""The database of a simulation: SQLite in memory-backed files, with a clock that can be set.

A write transaction waits for the one before it, and an actor can be stopped before each statement.
"""

import sqlite3
from collections.abc import Callable, Hashable
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import compress
from pathlib import Path
from typing import Any

from sqlalchemy import event

from db.core.session import BEGIN, open_sessions
from db.schema.migration import migrate
from db.schema.revision import is_of_search
from tests.simulation.kernel import Actor, Kernel

EPOCH = datetime(2030, 1, 1, tzinfo=UTC)
NO_WAIT = timedelta(microseconds=1)
"""SQLite itself must not wait for a lock, because this thread holds it."""
LOCK_TIMEOUT_S = 30.0
KEPT_TABLES = {"alembic_version", "secrets", "event_counter"}


class StatementCache(dict[Any, Any]):
    """Compiled statements: one that the service builds once is found by its identity.

    SQLAlchemy finds it by all that it consists of, which often takes longer than to execute it.
    """

    def __init__(self) -> None:
        super().__init__()
        self._known: dict[Hashable, Any] = {}

    def __setitem__(self, key: Any, compiled: Any) -> None:
        super().__setitem__(key, compiled)
        self._known[_identity(key)] = compiled  # as long as the key is kept, its identity is unique

    def get(self, key: Any, default: Any = None) -> Any:
        known = self._known.get(_identity(key))
        return super().get(key, default) if known is None else known


def _identity(key: tuple[Any, ...]) -> Hashable:
    """Return a key that is quick to hash: the second item has all of a statement's parts."""
    return id(key[1]), *key[2:]


class Database:
    """A migrated database that is emptied for each schedule.

    Attributes:
        offset: what has to be added to the true time to get the database's time.
        before_statement: called before each statement of an actor.
        commits: the number of write transactions that were committed.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / "simulation.db"
        migrate(f"sqlite:///{path}")
        self.sessions = open_sessions(f"sqlite:///{path}", busy_timeout=NO_WAIT)
        self.kernel: Kernel | None = None
        self.offset = timedelta(0)
        self.before_statement: Callable[[], None] = lambda: None
        self.commits = 0
        self._writer: Actor | None = None
        self._written: object = None
        self._moment = (0.0, timedelta(0))
        self._times: dict[str, str] = {}
        self._listen()
        self._reader = sqlite3.connect(path, isolation_level=None)
        self._reader.execute("PRAGMA synchronous=OFF")
        names = self._reader.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        # The index of texts follows the jobs.
        self._tables = [
            name for (name,) in names if name not in KEPT_TABLES and not is_of_search(name)
        ]
        exist = (f"EXISTS (SELECT 1 FROM {table})" for table in self._tables)
        self._has_rows = f"SELECT {', '.join(exist)}"

    def reset(self, kernel: Kernel) -> None:
        """Delete all rows, and use the clock of a new schedule."""
        self.kernel, self.offset, self.commits = kernel, timedelta(0), 0
        self._writer = self._written = None
        self._times.clear()
        self._reader.execute("BEGIN")
        (has_rows,) = self.rows(self._has_rows)
        for table in compress(self._tables, has_rows):
            self._reader.execute(f"DELETE FROM {table}")
        self._reader.execute("UPDATE event_counter SET last = 0, pruned = 0")
        self._reader.execute("COMMIT")

    def shift(self, s: float) -> None:
        """Set the clock."""
        self.offset += timedelta(seconds=s)

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Read what is committed."""
        return self._reader.execute(query, values).fetchall()

    def time(self, offset_s: float = 0.0) -> datetime:
        """Return the database's time."""
        assert self.kernel is not None
        return EPOCH + timedelta(seconds=self.kernel.now + offset_s) + self.offset

    @property
    def is_writing(self) -> bool:
        """Whether the running actor is in a write transaction."""
        return self._writer is not None and self._writer is self._running

    @property
    def _running(self) -> Actor | None:
        return None if self.kernel is None else self.kernel.running

    def _listen(self) -> None:
        engine = self.sessions.kw["bind"]
        engine.update_execution_options(compiled_cache=StatementCache())
        event.listen(engine, "connect", self._prepare)
        event.listen(engine, "do_execute", self._execute)
        event.listen(engine, "do_executemany", self._execute)
        event.listen(engine, "do_execute_no_params", self._execute)
        dialect = engine.dialect
        dialect.do_begin = partial(self._begin, dialect.do_begin)
        dialect.do_commit = partial(self._commit, dialect.do_commit)
        dialect.do_rollback = partial(self._rollback, dialect.do_rollback)

    def _prepare(self, connection: sqlite3.Connection, _record: object) -> None:
        connection.execute("PRAGMA synchronous=OFF").close()
        connection.create_function("strftime", 3, self._strftime, deterministic=True)

    def _strftime(self, form: str, moment: str, offset: str) -> str:
        assert moment == "now"
        assert self.kernel is not None
        moment_of_times = (self.kernel.now, self.offset)
        if moment_of_times != self._moment:
            self._moment, self._times = moment_of_times, {}
        if (text := self._times.get(offset)) is None:
            at = self.time(float(offset.removesuffix(" seconds")))
            text = at.replace(tzinfo=None).isoformat(" ", "milliseconds")
            self._times[offset] = text
        return text

    def _begin(self, begin: Callable[[Any], None], connection: Any) -> None:
        if self.kernel is not None and self.kernel.running is not None:
            kind = connection.info.pop(BEGIN, None)
            if kind is None:
                self.kernel.pause("read")
            else:
                self._lock(self.kernel, connection)
            self.before_statement()
            connection.info[BEGIN] = kind
        begin(connection)

    def _lock(self, kernel: Kernel, connection: Any) -> None:
        kernel.pause("write")
        if self._writer is not None:
            assert kernel.running is not None
            kernel.running.process.is_disturbed = True
            kernel.pause("lock", lambda: self._writer is None, LOCK_TIMEOUT_S)
        if self._writer is None:  # else SQLite says that the database is locked
            self._writer, self._written = kernel.running, connection

    def _execute(self, *_: object) -> None:
        if self._running is not None:
            self.before_statement()

    def _commit(self, commit: Callable[[Any], None], connection: Any) -> None:
        if self._written is connection and self._running is not None:
            self.before_statement()
        commit(connection)
        self.commits += 1
        self._release(connection)

    def _rollback(self, rollback: Callable[[Any], None], connection: Any) -> None:
        rollback(connection)
        self._release(connection)

    def _release(self, connection: Any) -> None:
        if self._written is connection:
            self._writer = self._written = None
