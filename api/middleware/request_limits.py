"""The outermost layer: request ids, headers for browsers, limits, and errors nobody expected."""

import logging
import re

import uuid_utils
from fastapi import Request
from sqlalchemy.exc import OperationalError
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.middleware.hosts import Hosts
from api.middleware.scopes import READING
from api.problems.handlers import respond
from api.settings import ApiSettings
from api.web.uploads import is_upload
from db.core.logging_setup import about
from db.problems.plain import PLAIN
from db.problems.requests import CROSS_ORIGIN, HOST_NOT_ALLOWED
from db.problems.service import DATABASE_UNAVAILABLE, SERVER_ERROR

logger = logging.getLogger(__name__)

SOON = {"retry-after": "5"}
MAX_FIELDS = 5000
"""How many a body may have: each may have to be refused. A sweep of 200 points has some 2500."""
HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'none'",
    "cache-control": "no-cache",
}


class Edge:
    """Wraps the whole application."""

    def __init__(self, app: ASGIApp, settings: ApiSettings) -> None:
        self._app, self._settings = app, settings
        self._hosts = Hosts(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whatever happens inside."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        request.state.request_id = _request_id(request)
        answer = _Answer(send, request)
        if (refusal := self._refusal(request)) is not None:
            await refusal(scope, receive, answer.send)
            return
        with about(request_id=request.state.request_id):
            await self._answer(request, receive, answer)

    async def _answer(self, request: Request, receive: Receive, answer: "_Answer") -> None:
        scope = request.scope
        limited = receive
        if not is_upload(request):
            limited = _Limited(receive, self._settings.max_body_bytes)
        try:
            await self._app(scope, limited, answer.send)
        except OperationalError as error:
            logger.warning("request %s met no database: %s", request.state.request_id, error.orig)
            if answer.has_started:
                raise
            refusal = respond(
                request, DATABASE_UNAVAILABLE.problem("The database does not respond."), SOON
            )
            await refusal(scope, receive, answer.send)
        except Exception:
            logger.exception("request %s failed", request.state.request_id)
            if answer.has_started:
                raise  # the server cuts the connection, so that half an answer looks like one
            await respond(request, SERVER_ERROR.problem("An unexpected error occurred."))(
                scope, receive, answer.send
            )

    def _refusal(self, request: Request) -> Response | None:
        """Return the answer to a request that may not be made at all."""
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


class _Answer:
    """Adds to an answer what every answer has."""

    def __init__(self, send: Send, request: Request) -> None:
        self._send, self._state = send, request.state
        self.has_started = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.has_started = True
            headers = MutableHeaders(scope=message)
            headers["x-request-id"] = self._state.request_id
            if (applied := getattr(self._state, "preference_applied", None)) is not None:
                headers["preference-applied"] = applied
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        await self._send(message)


class _Limited:
    """Refuses a body that turns out longer than it may be, or to have more fields."""

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


def is_cross_origin(request: Request) -> bool:
    """Whether a browser says that another site's page makes this request."""
    origin = request.headers.get("origin")
    return origin is not None and origin.partition("://")[2] != request.headers.get("host")


def _request_id(request: Request) -> str:
    given = request.headers.get("x-request-id", "")
    return given if re.fullmatch(r"[\w.:-]{1,64}", given, re.ASCII) else uuid_utils.uuid7().hex


def _limit(max_bytes: int) -> str:
    return f"A request body may have {max_bytes} bytes."
