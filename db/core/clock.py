"""The database's clock: the only one that decides about leases, whatever a host believes.

It can be set back while the service runs. So beside each moment that is waited for stands when it
was written, and nothing waits any longer once that seems to lie in the future.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, DateTime, Dialect, Float, TypeDecorator, bindparam
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

CLOCK_TOLERANCE = timedelta(seconds=5)
"""By less than this a clock may be corrected without anybody's noticing."""


class UTCDateTime(TypeDecorator[datetime]):
    """An aware moment, always in UTC. SQLite keeps no zone, so it is put back on the way out."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse what has no zone; store UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return an aware moment in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class DatabaseTime(FunctionElement[datetime]):
    """The moment a statement runs, by the database's clock, plus some seconds."""

    type = UTCDateTime()
    inherit_cache = True
    name = "database_time"


def now(offset: timedelta = timedelta(0)) -> DatabaseTime:
    """Return SQL for the database's present moment, shifted by ``offset``."""
    return DatabaseTime(bindparam(None, offset.total_seconds(), type_=Float(), unique=True))


def was_set_back(written: Any) -> ColumnElement[bool]:
    """Return SQL for whether the clock was set back since a moment was written."""
    later: ColumnElement[bool] = written > now(CLOCK_TOLERANCE)
    return later


@compiles(DatabaseTime, "postgresql")
def _postgresql(element: DatabaseTime, compiler: SQLCompiler, **kw: Any) -> str:
    # now() would be the transaction's start; a heartbeat in a slow transaction must not age.
    seconds = compiler.process(element.clauses, **kw)
    return f"(clock_timestamp() + make_interval(secs => CAST({seconds} AS double precision)))"


@compiles(DatabaseTime, "sqlite")
def _sqlite(element: DatabaseTime, compiler: SQLCompiler, **kw: Any) -> str:
    # The text form SQLAlchemy stores: six digits of a second, of which SQLite knows three.
    seconds = compiler.process(element.clauses, **kw)
    return f"(strftime('%Y-%m-%d %H:%M:%f', 'now', {seconds} || ' seconds') || '000')"
