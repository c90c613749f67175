"""What a receiver's answer asks for."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from db.webhooks.retries import DELAYS

BUSY = (429, 503)
LONGEST_WAIT = DELAYS[-1]  # no receiver may have a delivery kept for ever


def fault(status: int) -> str | None:
    """Return what is wrong with an answer, where its status alone does not say it."""
    return "redirects are not followed" if 300 <= status < 400 else None


def wait(status: int, headers: Mapping[str, str]) -> timedelta | None:
    """Return how long a busy receiver asks to be left alone; its headers' names in lower case."""
    text = headers.get("retry-after", "") if status in BUSY else ""
    if text.isascii() and text.isdigit():
        return timedelta(seconds=min(float(text), LONGEST_WAIT.total_seconds()))
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:  # it names neither seconds nor a date
        return None
    return min(moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC), LONGEST_WAIT)
