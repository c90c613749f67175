"""The ``Link`` header of a list."""

from collections.abc import Mapping
from urllib.parse import urlencode


def next_link(path: str, query: Mapping[str, object]) -> str:
    """Return the value of the ``Link`` header that points to the next page."""
    given = {name: value for name, value in query.items() if value is not None}
    return f'<{path}?{urlencode(given, doseq=True)}>; rel="next"'
