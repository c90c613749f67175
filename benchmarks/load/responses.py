"""HTTP/1.1 responses, read as their bytes arrive."""

import time
from dataclasses import dataclass, field

END_OF_HEAD = b"\r\n\r\n"
WITHOUT_BODY = frozenset({204, 304})


@dataclass(frozen=True, slots=True)
class Response:
    """A response; `at` is the monotonic time at which it was complete."""

    status: int
    etag: bytes
    body: bytes
    at: float = field(default_factory=time.monotonic)


class ResponseParser:
    """Splits the bytes received on one connection into responses, by their Content-Length."""

    def __init__(self) -> None:
        self._received = b""

    def feed(self, data: bytes) -> list[Response]:
        """Return the responses that these bytes complete.

        Raises:
            ValueError: a response that can have a body has no Content-Length.
        """
        self._received += data
        responses = []
        while (response := self._next()) is not None:
            responses.append(response)
        return responses

    def _next(self) -> Response | None:
        head, found, rest = self._received.partition(END_OF_HEAD)
        if not found:
            return None
        status = status_of(head)
        length = 0 if status in WITHOUT_BODY else int(header(head, b"content-length"))
        if len(rest) < length:
            return None
        self._received = rest[length:]
        return Response(status, header(head, b"etag"), rest[:length])


def status_of(head: bytes) -> int:
    return int(head[9:12])  # after "HTTP/1.1 "


def header(head: bytes, name: bytes) -> bytes:
    """Return the value of a header, or an empty value if it is missing; `name` is in lower case."""
    start = head.lower().find(b"\r\n" + name + b":")
    if start < 0:
        return b""
    line, _, _ = head[start + 2 :].partition(b"\r\n")
    return line[len(name) + 1 :].strip()
