"""SQL for the database's clock, which alone decides when leases and delays end.

The clock may be set back while the service runs. The end of a lease or delay is therefore stored
together with the time at which it was written. If that time of writing is ever more than
`CLOCK_TOLERANCE` in the future, the clock was set back, and the lease or delay is over.
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, DateTime, Dialect, TypeDecorator, literal_column
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

CLOCK_TOLERANCE = timedelta(seconds=5)
"""Corrections of a clock by less than this are ignored."""


class UTCDateTime(TypeDecorator[datetime]):
    """An aware datetime in UTC. SQLite stores no time zone, so reading adds it."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class DatabaseTime(FunctionElement[datetime]):
    """The time at which a statement runs, by the database's clock, plus an offset in seconds."""

    type = UTCDateTime()
    inherit_cache = True
    name = "database_time"


@lru_cache(maxsize=64)  # statements that are built once contain it, and others build faster
def now(offset: timedelta = timedelta(0)) -> DatabaseTime:
    """Return SQL for the database's current time plus `offset`."""
    return DatabaseTime(literal_column(str(offset.total_seconds())))


def was_set_back(written: Any) -> ColumnElement[bool]:
    """Return SQL for whether the clock was set back since `written` was stored."""
    later: ColumnElement[bool] = written > now(CLOCK_TOLERANCE)
    return later


@compiles(DatabaseTime, "postgresql")
def _postgresql(element: DatabaseTime, compiler: SQLCompiler, **kw: Any) -> str:
    # now() is the start of the transaction; a heartbeat written in a slow one would seem old.
    seconds = compiler.process(element.clauses, **kw)
    return f"(clock_timestamp() + make_interval(secs => {seconds}))"


@compiles(DatabaseTime, "sqlite")
def _sqlite(element: DatabaseTime, compiler: SQLCompiler, **kw: Any) -> str:
    # SQLAlchemy's text format has six digits of a second; SQLite provides three.
    seconds = compiler.process(element.clauses, **kw)
    return f"(strftime('%Y-%m-%d %H:%M:%f', 'now', '{seconds} seconds') || '000')"
