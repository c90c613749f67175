"""Limits on HTTP connections: their number, and the time that clients may take to send requests."""

import asyncio
import logging
import resource
import time
from http import HTTPStatus
from typing import Any, Literal

import uvicorn

from api.middleware.http_protocol import INVALID, HttpProtocol

logger = logging.getLogger(__name__)

MAX_CONNECTIONS = 8192
BACKLOG = 256
"""How many connections may wait to be accepted. asyncio accepts all of them in one go; only then
are they counted, and refused if there are too many."""
RESERVED = BACKLOG + 256
"""The file descriptors kept free for the database, broker, logs, and connections to be refused."""
RETRY_AFTER = "retry-after: 5\r\n"
WARN_EVERY_S = 60.0
REPEATED = (
    "socket.accept() out of system resource",
    "Exception in callback BaseSelectorEventLoop._start_serving",  # follows the one above
    INVALID,
    "%d connections are open",
)
"""Beginnings of warnings that clients can cause as often as they want."""


def server_config(app: Any, **options: Any) -> uvicorn.Config:
    """Return uvicorn's configuration; raise the process's limit on file descriptors."""
    raise_descriptor_limit()
    defaults: dict[str, Any] = {"http": Connection, "ws": "none", "backlog": BACKLOG}
    defaults["loop"] = "asyncio"  # else uvicorn takes uvloop, if that happens to be installed
    config = uvicorn.Config(app, **(defaults | options))
    for name in ("asyncio", "uvicorn.error", __name__):
        logging.getLogger(name).addFilter(_THROTTLE)
    return config


def raise_descriptor_limit() -> None:
    """Raise the limit on open files to what ``MAX_CONNECTIONS`` need, if the system allows it.

    Otherwise raise it as far as the system allows.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = RESERVED + 2 * MAX_CONNECTIONS
    limit = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < limit:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))


def max_connections() -> int:
    """Return how many connections may be open at the same time.

    Each may need two file descriptors: one for its socket, and one for a file in the response.
    """
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    return max(16, min(MAX_CONNECTIONS, (soft - RESERVED) // 2))


class Connection(HttpProtocol):
    """An HTTP connection, which is closed if its client sends a request too slowly.

    Attributes:
        headers_timeout_s: how long the headers of a request may take to arrive; for the first
            request, measured from the start of the connection.
        body_interval_s, body_min_bytes: at least ``body_min_bytes`` bytes of a body have to arrive
            in every ``body_interval_s`` seconds.
    """

    headers_timeout_s = 10.0
    body_interval_s = 20.0
    body_min_bytes = 10_000

    _timer: asyncio.TimerHandle | None = None
    _timed: Literal["headers", "body"] | None = None
    _received = _received_before = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # uvicorn's
        """Refuse the connection if too many are open."""
        super().connection_made(transport)
        if len(self.connections) > (limit := max_connections()):
            logger.warning("%d connections are open, so no more are accepted", limit)
            detail = f"The service has {limit} open connections. Try again after Retry-After."
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, detail, RETRY_AFTER, retryable=True)
            return
        self._restart_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self._ignores_rest:
            self._received += len(data)
        self._restart_timer()

    def _restart_timer(self) -> None:
        """Start the timer of the part of a request that the client has to send next.

        If the timer of this part already runs, it goes on.
        """
        if (awaited := self._awaited()) is self._timed:
            return
        self._stop_timer()
        self._timed = awaited
        if awaited == "headers":
            self._timer = self.loop.call_later(self.headers_timeout_s, self._headers_timed_out)
        elif awaited == "body":
            self._start_body_timer()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _headers_timed_out(self) -> None:
        if self._received == 0:
            self.transport.close()
            return
        detail = f"The request's headers did not arrive within {self.headers_timeout_s:g} s."
        self._refuse(HTTPStatus.REQUEST_TIMEOUT, detail, retryable=True)

    def _start_body_timer(self) -> None:
        self._received_before = self._received
        self._timer = self.loop.call_later(self.body_interval_s, self._check_body)

    def _check_body(self) -> None:
        arrived = self._received - self._received_before
        # Where reading is paused, the application is slow and not the client.
        if arrived >= self.body_min_bytes or self.flow.read_paused:
            self._start_body_timer()
        else:
            self.transport.close()


class ThrottleFilter(logging.Filter):
    """Drops a warning that clients can cause, if it was logged less than a minute ago.

    Without this filter, clients could fill the disk. The filter also drops the errors of event
    streams that are open when the service stops.
    """

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError):
            return False  # an event stream was open when the service was stopped
        warning = next(
            (beginning for beginning in REPEATED if str(record.msg).startswith(beginning)), None
        )
        if warning is None:
            return True
        is_due = time.monotonic() - self._last.get(warning, -WARN_EVERY_S) >= WARN_EVERY_S
        if is_due:
            self._last[warning] = time.monotonic()
        return is_due


_THROTTLE = ThrottleFilter()
