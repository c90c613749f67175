"""Cursors: where a list goes on. What is in one is nobody's business but ours."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime

from db.ids import Prefix, id_pattern
from db.listing import Place


class NotACursorError(ValueError):
    """The text was never given out as a ``next_cursor``."""


def cursor_of(place: Place) -> str:
    """Return the cursor for what comes after a job."""
    written = f"{place.created_at.isoformat()} {place.id}"
    return urlsafe_b64encode(written.encode()).decode().rstrip("=")


def place_of(cursor: str, prefix: Prefix = "job") -> Place:
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
    return Place(in_utc, row_id)
