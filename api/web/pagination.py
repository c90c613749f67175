"""The ``Link`` header of a list."""

from collections.abc import Mapping
from urllib.parse import urlencode


def next_page(path: str, query: Mapping[str, object]) -> str:
    """Return the header that points at the next part of a list."""
    given = {name: value for name, value in query.items() if value is not None}
    return f'<{path}?{urlencode(given, doseq=True)}>; rel="next"'
