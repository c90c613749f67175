"""Cursors: where a list goes on. What is in one is nobody's business but ours."""

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


class NotACursorError(ValueError):
    """The text was never given out as a ``next_cursor``."""


def cut(
    found: Sequence[Row], limit: int, cursor: Callable[[Row], str]
) -> tuple[Sequence[Row], str | None]:
    """Return a page of rows, and the cursor after it if more were found than it takes."""
    page = found[:limit]
    return page, cursor(page[-1]) if len(found) > limit else None


def cursor_of(row: Job | AuditEntry) -> str:
    """Return the cursor for what comes after a row."""
    written = f"{row.created_at.isoformat()} {row.id}"
    return urlsafe_b64encode(written.encode()).decode().rstrip("=")


def cursor_for(prefix: Prefix) -> AfterValidator:
    """Refuse what is no cursor of a list of what has such ids."""

    def check(cursor: str) -> str:
        try:
            place_of(cursor, prefix)
        except NotACursorError:
            message = "Input should be a next_cursor of this list"
            raise PydanticCustomError("cursor", message) from None
        return cursor

    return AfterValidator(check)


def place_of(cursor: str, prefix: Prefix) -> SortKey:
    """Return where a list of what has ids with this prefix goes on.

    Raises:
        NotACursorError: the cursor is none.
    """
    try:
        written = urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4)).decode()
        moment, row_id = written.split(" ")
        created_at = datetime.fromisoformat(moment)
        in_utc = created_at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise NotACursorError(cursor) from None
    if created_at.tzinfo is None or not re.fullmatch(id_pattern(prefix), row_id):
        raise NotACursorError(cursor)
    return SortKey(in_utc, row_id)
