"""Connections to an HTTP server, for one request at a time or for one event stream."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

from benchmarks.load.responses import Response, ResponseParser, status_of

_NONE: Mapping[str, str] = {}
CLOSED = "the server has closed the connection"


@dataclass(frozen=True)
class Server:
    """The address of a server."""

    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> "Server":
        parts = urlsplit(url)
        assert parts.hostname is not None
        assert parts.port is not None
        return cls(parts.hostname, parts.port)

    def message(
        self, path: str, method: str = "GET", *, headers: Mapping[str, str] = _NONE, body: str = ""
    ) -> bytes:
        """Return the bytes of a request; `body` must be JSON in ASCII characters only."""
        given = {"host": f"{self.host}:{self.port}", **headers}
        if body:
            given |= {"content-type": "application/json", "content-length": str(len(body))}
        lines = "".join(f"{name}: {value}\r\n" for name, value in given.items())
        return f"{method} {path} HTTP/1.1\r\n{lines}\r\n{body}".encode()

    async def connect(self) -> "Connection":
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(Connection, self.host, self.port)
        return connection

    async def follow(self, path: str, on_event: Callable[[int, float], None]) -> "EventStream":
        """Open a job's event stream; `on_event` is called with each event's id and arrival time.

        Raises:
            OSError: the connection failed.
            StreamRefusedError: the response was an error.
        """
        loop = asyncio.get_running_loop()
        _, stream = await loop.create_connection(
            lambda: EventStream(on_event), self.host, self.port
        )
        stream.send(self.message(f"{path}/events", headers={"accept": "text/event-stream"}))
        if (status := await stream.status) >= 400:
            stream.close()
            raise StreamRefusedError(status)
        return stream


class StreamRefusedError(Exception):
    """The server answered the request for an event stream with an error."""

    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}")


class _Protocol(asyncio.Protocol):
    _transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def send(self, data: bytes) -> None:
        self._transport.write(data)

    def close(self) -> None:
        self._transport.abort()


class Connection(_Protocol):
    """A keep-alive connection with at most one request at a time."""

    def __init__(self) -> None:
        self._parser = ResponseParser()
        self._awaited: asyncio.Future[Response] | None = None

    def request(self, message: bytes) -> asyncio.Future[Response]:
        """Send a request, and return a future of its response.

        The future raises `OSError` if the connection closes before the response is complete.
        """
        assert self._awaited is None
        awaited = self._awaited = asyncio.get_running_loop().create_future()
        if self._transport.is_closing():
            self.connection_lost(None)
        else:
            self.send(message)
        return awaited

    def data_received(self, data: bytes) -> None:
        for response in self._parser.feed(data):
            awaited, self._awaited = self._awaited, None
            if awaited is not None and not awaited.done():
                awaited.set_result(response)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._awaited is not None and not self._awaited.done():
            self._awaited.set_exception(exc or ConnectionResetError(CLOSED))
        self._awaited = None


class EventStream(_Protocol):
    """A connection that receives a job's event stream.

    It reads the response line by line and does not decode the chunked transfer encoding. Every
    chunk that the service sends consists of whole events, so each chunk size is on a separate
    line, which is skipped.

    Attributes:
        status: a future of the response's status code.
        ended: set when the connection ends.
    """

    def __init__(self, on_event: Callable[[int, float], None]) -> None:
        self._on_event, self._rest = on_event, b""
        self.status: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.ended = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        at = time.monotonic()
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if line.startswith(b"id: "):
                self._on_event(int(line[4:]), at)
            elif line.startswith(b"HTTP/1.1 ") and not self.status.done():
                self.status.set_result(status_of(line))

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.status.done():
            self.status.set_exception(exc or ConnectionResetError(CLOSED))
        self.ended.set()
