"""The rows of all tables as text: of any migration, from and to both kinds of databases."""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    Connection,
    DateTime,
    MetaData,
    Table,
    delete,
    insert,
    inspect,
    select,
)

from db.backup.folder import ROWS
from db.core.session import open_sessions
from db.schema.revision import is_of_search

LEFT_OUT = {"alembic_version", "daily_use", "heartbeats", "secrets", "workers"}
"""Alembic's own table, that of sums, which are made again, those about processes, which a restored
service does not have, and that of the secret that signs links: a new service makes another one."""
BATCH = 1000
PATIENCE = timedelta(days=7)
"""How long a transaction may be idle while files are copied."""
Row = dict[str, Any]
Change = Callable[[str, Row], Row | None]
"""Changes a row of the table with this name; None leaves it out."""


@contextmanager
def snapshot(url: str) -> Iterator[Connection]:
    """Yield a connection on which every statement sees the database as of the first one."""
    sessions = open_sessions(url, idle_timeout=PATIENCE)
    engine = sessions.kw["bind"]
    try:
        if engine.dialect.name == "postgresql":
            engine = engine.execution_options(isolation_level="REPEATABLE READ")
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def dump(connection: Connection, folder: Path, change: Change) -> dict[str, int]:
    """Write the rows of each table to a file, and return how many there are."""
    (folder / ROWS).mkdir(exist_ok=True)
    return {table.name: _dump(connection, table, folder, change) for table in _tables(connection)}


def load(connection: Connection, folder: Path, change: Change) -> None:
    """Insert the rows of a backup into tables of its migration, which may have inserted some."""
    for table in _tables(connection):
        connection.execute(delete(table))
        times = [one.name for one in table.columns if isinstance(one.type, DateTime)]
        rows = (change(table.name, _decoded(row, times)) for row in read_rows(folder, table.name))
        kept = (row for row in rows if row is not None)
        while some := list(islice(kept, BATCH)):
            connection.execute(insert(table), some)


def read_rows(folder: Path, table: str) -> Iterator[Row]:
    """Yield the rows of a table; none if the backup does not have it."""
    path = folder / ROWS / f"{table}.jsonl"
    if not path.exists():
        return
    with path.open(encoding="utf-8") as lines:
        columns = json.loads(next(lines))
        for line in lines:
            yield dict(zip(columns, json.loads(line), strict=True))


def _dump(connection: Connection, table: Table, folder: Path, change: Change) -> int:
    rows = connection.execute(select(table).execution_options(yield_per=BATCH)).mappings()
    changed = (change(table.name, dict(row)) for row in rows)
    written = 0
    with (folder / ROWS / f"{table.name}.jsonl").open("w", encoding="utf-8") as file:
        file.write(_line(table.columns.keys()))
        for row in changed:
            if row is not None:
                file.write(_line(row.values()))
                written += 1
    return written


def _tables(connection: Connection) -> Iterator[Table]:
    """Yield the tables that are there, each after those that it refers to."""
    inspector = inspect(connection)
    for name, _ in inspector.get_sorted_table_and_fkc_names():
        if name is not None and name not in LEFT_OUT and not is_of_search(name):
            columns = inspector.get_columns(name)
            kinds = [(one["name"], one["type"]) for one in columns]
            for _, kind in kinds:
                if isinstance(kind, JSON):
                    kind.none_as_null = True
            yield Table(name, MetaData(), *(Column(*kind) for kind in kinds))


def _line(values: Iterable[Any]) -> str:
    text = json.dumps(list(values), ensure_ascii=False, default=_encoded, separators=(",", ":"))
    return f"{text}\n"


def _encoded(value: object) -> str:
    """Return a time in UTC; there are no other values that JSON lacks.

    Raises:
        TypeError: there is one.
    """
    if not isinstance(value, datetime):
        raise TypeError(f"a value of type {type(value).__name__} cannot be backed up")
    return (value.astimezone(UTC) if value.tzinfo else value).replace(tzinfo=None).isoformat()


def _decoded(row: Row, times: list[str]) -> Row:
    """Return a row with its times: aware ones, as PostgreSQL takes others in its own time zone."""
    found = {name: row[name] for name in times if row[name] is not None}
    return row | {
        name: datetime.fromisoformat(text).replace(tzinfo=UTC) for name, text in found.items()
    }
