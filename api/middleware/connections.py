"""Connections that cannot use up the process: silent ones end, and there are only so many."""

import asyncio
import json
import logging
import resource
import time
from http import HTTPStatus
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from api.problems.handlers import MEDIA_TYPE

logger = logging.getLogger(__name__)

MOST_CONNECTIONS = 8192
BACKLOG = 256
"""asyncio accepts all of these at once, before any of them is counted."""
RESERVED = BACKLOG + 256
"""Descriptors for the database, the broker, logs and connections that are about to be refused."""
WARN_EVERY_S = 60.0
REPEATED = (
    "socket.accept() out of system resource",
    "Exception in callback BaseSelectorEventLoop._start_serving",  # after the one above, at the end
    "Invalid HTTP request received.",
    "Unsupported upgrade request.",
    "No supported WebSocket library",
    "%d connections are open",
)
"""Warnings that clients cause, as often as they like."""


def server_config(app: Any, **options: Any) -> uvicorn.Config:
    """Return how uvicorn serves the application; raise the process's limit of descriptors."""
    raise_descriptor_limit()
    defaults: dict[str, Any] = {"http": Connection, "ws": "none", "backlog": BACKLOG}
    config = uvicorn.Config(app, **(defaults | options))
    for name in ("asyncio", "uvicorn.error", __name__):
        logging.getLogger(name).addFilter(_SELDOM)
    return config


def raise_descriptor_limit() -> None:
    """Allow as many open files as are needed: the usual 1,024 are too few for 1,000 streams."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = RESERVED + 2 * MOST_CONNECTIONS
    limit = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < limit:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))


def most_connections() -> int:
    """Return how many connections may be open: each may have a file open as well."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return MOST_CONNECTIONS
    return max(16, min(MOST_CONNECTIONS, (soft - RESERVED) // 2))


class Connection(H11Protocol):
    """One HTTP connection, which is closed if its client does not send what it began.

    Attributes:
        headers_within_s: how long a request's headers may take, the first one's from the start.
        body_checked_every_s, body_least_bytes: how slowly a body may arrive.
    """

    headers_within_s = 10.0
    body_checked_every_s = 20.0
    body_least_bytes = 10_000

    _timer: asyncio.TimerHandle | None = None
    _awaited: type[h11.IDLE | h11.SEND_BODY] | None = None
    _received = _received_before = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accept a connection, unless there are too many."""
        super().connection_made(transport)
        if len(self.connections) > (most := most_connections()):
            logger.warning("%d connections are open, so no more are accepted", most)
            detail = f"The service has {most} open connections. Try again after Retry-After."
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, detail, "retry-after: 5\r\n")
            return
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting for anything."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take a part of a request, and wait for the next one if it was not the last."""
        super().data_received(data)
        self._received += len(data)
        self._watch()

    def _watch(self) -> None:
        """Start a timer for what the client has to send next."""
        state = self.conn.their_state
        awaited = state if state in (h11.IDLE, h11.SEND_BODY) else None
        if awaited is self._awaited:
            return
        self._stop_timer()
        self._awaited = awaited
        if awaited is h11.IDLE:
            self._timer = self.loop.call_later(self.headers_within_s, self._end_headers)
        elif awaited is h11.SEND_BODY:
            self._await_body()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _end_headers(self) -> None:
        if self._received == 0:
            self.transport.close()
            return
        detail = f"The request's headers did not arrive within {self.headers_within_s:g} s."
        self._refuse(HTTPStatus.REQUEST_TIMEOUT, detail)

    def _await_body(self) -> None:
        self._received_before = self._received
        self._timer = self.loop.call_later(self.body_checked_every_s, self._check_body)

    def _check_body(self) -> None:
        came = self._received - self._received_before
        # Where reading is paused, the application is what is slow.
        if came >= self.body_least_bytes or self.flow.read_paused:
            self._await_body()
        else:
            self.transport.close()

    def _refuse(self, status: HTTPStatus, detail: str, headers: str = "") -> None:
        """Answer without the application, and close."""
        code = status.phrase.lower().replace(" ", "_")
        problem = {"type": "about:blank", "title": status.phrase, "status": status.value}
        body = json.dumps(problem | {"code": code, "detail": detail, "retryable": True})
        self.transport.write(
            f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: {MEDIA_TYPE}\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n{headers}\r\n{body}".encode()
        )
        self.transport.close()


class SeldomFilter(logging.Filter):
    """Logs each warning that clients can cause once a minute, so that they cannot fill a disk."""

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to log it."""
        if record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError):
            return False  # an event stream that was open when the service was stopped
        warning = next((one for one in REPEATED if str(record.msg).startswith(one)), None)
        if warning is None:
            return True
        is_due = time.monotonic() - self._last.get(warning, -WARN_EVERY_S) >= WARN_EVERY_S
        if is_due:
            self._last[warning] = time.monotonic()
        return is_due


_SELDOM = SeldomFilter()
