"""Middleware for request ids, security headers, limits and unexpected errors."""

import logging
import re

import uuid_utils
from fastapi import Request
from sqlalchemy.exc import OperationalError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.core.problem_response import respond
from api.core.scopes import READING
from api.core.settings import ApiSettings
from api.middleware.hosts import Hosts
from api.middleware.response_headers import add_missing, raw
from db.core.logging_setup import log_context
from db.problems.plain import PLAIN
from db.problems.requests import CROSS_ORIGIN, HOST_NOT_ALLOWED
from db.problems.service import DATABASE_UNAVAILABLE, SERVER_ERROR

logger = logging.getLogger(__name__)

UPLOAD_PATH = "/v1/datasets"
RETRY_AFTER = {"retry-after": "5"}
MAX_FIELDS = 5000
"""The maximum number of fields in a body; without it, one request could cause any number of
validation errors. A sweep of 200 points has about 2500 fields."""
HEADERS = raw(
    {
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "content-security-policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; "
        "form-action 'none'",
        "cache-control": "no-cache",
    }
)


class RequestLimitsMiddleware:
    """Adds request ids and headers, enforces limits, and responds if the application fails."""

    def __init__(self, app: ASGIApp, settings: ApiSettings) -> None:
        self._app, self._settings = app, settings
        self._hosts = Hosts(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to one request, even if the application fails."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        request.state.request_id = _request_id(request)
        response = _Response(send, request)
        if (error := self._check(request)) is not None:
            await error(scope, receive, response.send)
            return
        with log_context(request_id=request.state.request_id):
            await self._run(request, receive, response)

    async def _run(self, request: Request, receive: Receive, response: "_Response") -> None:
        scope = request.scope
        limited = receive
        if not is_upload(request):
            limited = _LimitedBody(receive, self._settings.max_body_bytes)
        try:
            await self._app(scope, limited, response.send)
        except OperationalError as error:
            logger.warning(
                "request %s could not reach the database: %s", request.state.request_id, error.orig
            )
            if response.has_started:
                raise
            unavailable = respond(
                request, DATABASE_UNAVAILABLE.problem("The database does not respond."), RETRY_AFTER
            )
            await unavailable(scope, receive, response.send)
        except Exception:  # any fault of a route: the client gets a problem, the log its cause
            logger.exception("request %s failed", request.state.request_id)
            if response.has_started:
                raise  # the server closes the connection, so that the client notices
            await respond(request, SERVER_ERROR.problem("An unexpected error occurred."))(
                scope, receive, response.send
            )

    def _check(self, request: Request) -> Response | None:
        """Return an error response if the application must not get the request, else None."""
        if not self._hosts.allows(request):
            host = ascii(request.headers.get("host", ""))[:200]
            detail = f"The request's Host is {host}, which ZPRUNER_ALLOWED_HOSTS does not name."
            return respond(request, HOST_NOT_ALLOWED.problem(detail))
        if request.method not in READING and is_cross_origin(request):
            origin = ascii(request.headers["origin"])
            detail = f"The request comes from {origin[:200]}."
            return respond(request, CROSS_ORIGIN.problem(detail))
        if is_upload(request):
            return None
        length = request.headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > self._settings.max_body_bytes:
            return respond(request, PLAIN[413].problem(_limit(self._settings.max_body_bytes)))
        return None


class _Response:
    """Adds the headers that every response has."""

    def __init__(self, send: Send, request: Request) -> None:
        self._send, self._state = send, request.state
        self.has_started = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.has_started = True
            own = [(b"x-request-id", self._state.request_id.encode())]
            if (applied := getattr(self._state, "preference_applied", None)) is not None:
                own.append((b"preference-applied", applied.encode()))
            add_missing(message, own + HEADERS)
        await self._send(message)


class _LimitedBody:
    """Receives a request body; raises an error once it is too long or has too many fields."""

    def __init__(self, receive: Receive, max_bytes: int) -> None:
        self._receive, self._left, self._max_bytes = receive, max_bytes, max_bytes
        self._fields_left = MAX_FIELDS

    async def __call__(self) -> Message:
        message = await self._receive()
        body = message.get("body", b"")
        self._left -= len(body)
        self._fields_left -= body.count(b":")  # JSON has at least as many of them as fields
        if self._left < 0:
            raise HTTPException(413, _limit(self._max_bytes))
        if self._fields_left < 0:
            raise HTTPException(413, f"A request body may have {MAX_FIELDS} fields.")
        return message


def is_upload(request: Request) -> bool:
    """Whether the request uploads a dataset, for which a separate size limit applies."""
    path: str = request.scope["path"]
    paths = (path, path.removeprefix(request.scope.get("root_path", "")))
    return request.method == "POST" and UPLOAD_PATH in paths


def is_cross_origin(request: Request) -> bool:
    """Whether a browser sent this request on behalf of a page from another origin."""
    origin = request.headers.get("origin")
    return origin is not None and origin.partition("://")[2] != request.headers.get("host")


def _request_id(request: Request) -> str:
    given = request.headers.get("x-request-id", "")
    return given if re.fullmatch(r"[\w.:-]{1,64}", given, re.ASCII) else uuid_utils.uuid7().hex


def _limit(max_bytes: int) -> str:
    return f"A request body may have {max_bytes} bytes."
