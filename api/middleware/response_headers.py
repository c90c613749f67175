"""Headers that middleware adds to responses."""

from collections.abc import Iterable, Mapping

from starlette.types import Message

RawHeaders = Iterable[tuple[bytes, bytes]]


def raw(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    """Return headers in ASGI's format; the names must already be in lower case."""
    return [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]


def add_missing(start: Message, headers: RawHeaders) -> None:
    """Add headers to a response's start message, except those whose names it already has."""
    present = {name for name, _ in start["headers"]}
    start["headers"] = [
        *start["headers"],
        *(header for header in headers if header[0] not in present),
    ]
