"""Opaque cursors, with which clients request the next page of a list."""

import math
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from db.core.ids import Prefix, id_pattern
from db.core.sort_key import MetricKey, SortKey, SortMetric
from db.tables.access import AuditEntry
from db.tables.jobs import Job

Row = TypeVar("Row")


class InvalidCursorError(ValueError):
    """The text is not a ``next_cursor`` of this service."""


def paginate(
    found: Sequence[Row], limit: int, cursor: Callable[[Row], str]
) -> tuple[Sequence[Row], str | None]:
    """Return a page of rows, and the cursor of the next page if there are more rows."""
    page = found[:limit]
    return page, cursor(page[-1]) if len(found) > limit else None


def cursor_of(row: Job | AuditEntry) -> str:
    """Return the cursor of the page that starts after a row."""
    return _encoded(row.created_at.isoformat(), row.id)


def metric_cursor_of(job: Job, metric: SortMetric) -> str:
    """Return the cursor of the page that starts after a job, in a list sorted by a metric."""
    value = getattr(job, metric)
    return cursor_of(job) if value is None else _encoded(repr(float(value)), job.id)


def cursor_for(prefix: Prefix) -> AfterValidator:
    """Return a validator for the cursors of a list whose rows have ids with this prefix."""

    def check(cursor: str) -> str:
        check_cursor(cursor, partial(place_of, prefix=prefix))
        return cursor

    return AfterValidator(check)


def check_cursor(cursor: str, read: Callable[[str], object]) -> None:
    """Raise a pydantic error if ``read`` raises `InvalidCursorError` for the cursor."""
    try:
        read(cursor)
    except InvalidCursorError:
        message = "is not a cursor of this list"
        raise PydanticCustomError("cursor", message) from None


def place_of(cursor: str, prefix: Prefix) -> SortKey:
    """Return the sort key in a cursor, for a list whose rows have ids with this prefix.

    Raises:
        InvalidCursorError: the text is not a cursor of such a list.
    """
    moment, row_id = _decoded(cursor, prefix)
    try:
        created_at = datetime.fromisoformat(moment)
        in_utc = created_at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidCursorError(cursor) from None
    if created_at.tzinfo is None:
        raise InvalidCursorError(cursor)
    return SortKey(in_utc, row_id)


def job_place_of(cursor: str) -> SortKey:
    """Return the sort key in a cursor, for a list of jobs sorted by creation time."""
    return place_of(cursor, "job")


def metric_place_of(cursor: str) -> SortKey | MetricKey:
    """Return the sort key in a cursor, for a list of jobs sorted by a metric.

    The sort key is a `SortKey` if the page starts after a job without the metric, because such jobs
    are sorted by creation time.

    Raises:
        InvalidCursorError: the text is not a cursor of such a list.
    """
    written, job_id = _decoded(cursor, "job")
    try:
        value = float(written)
    except ValueError:
        return job_place_of(cursor)  # among the jobs without the metric
    if not math.isfinite(value):
        raise InvalidCursorError(cursor)
    return MetricKey(value, job_id)


def _encoded(key: str, row_id: str) -> str:
    return urlsafe_b64encode(f"{key} {row_id}".encode()).decode().rstrip("=")


def _decoded(cursor: str, prefix: Prefix) -> tuple[str, str]:
    """Return the two parts of a cursor: the text of the sort value, and the row's id."""
    try:
        written = urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4)).decode()
        key, row_id = written.split(" ")
    except ValueError:
        raise InvalidCursorError(cursor) from None
    if not re.fullmatch(id_pattern(prefix), row_id):
        raise InvalidCursorError(cursor)
    return key, row_id
