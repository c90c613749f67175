"""Cursors of lists, which are opaque to clients."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from db.core.ids import Prefix, id_pattern
from db.core.sort_key import SortKey
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
    """Return the cursor of the page after a row."""
    written = f"{row.created_at.isoformat()} {row.id}"
    return urlsafe_b64encode(written.encode()).decode().rstrip("=")


def cursor_for(prefix: Prefix) -> AfterValidator:
    """Return a validator for cursors of a list of rows with such ids."""

    def check(cursor: str) -> str:
        try:
            place_of(cursor, prefix)
        except InvalidCursorError:
            message = "Input should be a next_cursor of this list"
            raise PydanticCustomError("cursor", message) from None
        return cursor

    return AfterValidator(check)


def place_of(cursor: str, prefix: Prefix) -> SortKey:
    """Return the place at which a list of rows with such ids continues.

    Raises:
        InvalidCursorError: the text is not such a cursor.
    """
    try:
        written = urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4)).decode()
        moment, row_id = written.split(" ")
        created_at = datetime.fromisoformat(moment)
        in_utc = created_at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidCursorError(cursor) from None
    if created_at.tzinfo is None or not re.fullmatch(id_pattern(prefix), row_id):
        raise InvalidCursorError(cursor)
    return SortKey(in_utc, row_id)
