"""A receiver's response to a message: its error, and the delay before the next attempt."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from db.webhooks.dispatch import RETRIES

BUSY = (429, 503)
MAX_WAIT = RETRIES.longest


def error_of(status: int) -> str | None:
    """Return an error message for a redirect; None for other statuses, which explain themselves."""
    return "redirects are not followed" if 300 <= status < 400 else None


def retry_after(status: int, headers: Mapping[str, str]) -> timedelta | None:
    """Return the delay, at most ``MAX_WAIT``, that a busy receiver requests; None if there is none.

    Args:
        status: the response's status.
        headers: the response's headers, with names in lower case.
    """
    text = headers.get("retry-after", "") if status in BUSY else ""
    if text.isascii() and text.isdigit():
        return timedelta(seconds=min(float(text), MAX_WAIT.total_seconds()))
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:  # neither seconds nor a date
        return None
    return min(moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC), MAX_WAIT)
