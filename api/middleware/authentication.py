"""Middleware that authenticates, rate-limits and audits requests, and checks callers' scopes."""

import logging
import re
from collections.abc import Mapping
from urllib.parse import quote, urlsplit

from fastapi import Request
from sqlalchemy.exc import OperationalError
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.core.caller import Caller
from api.core.problem_response import ProblemError, respond
from api.core.scopes import READING, Needed, is_trigger_call, needed_for
from api.core.settings import ApiSettings
from api.middleware.identity import Identity
from api.middleware.rate_limits import TokenBuckets
from api.middleware.response_headers import add_missing, raw
from api.middleware.writers import run_writer
from db.access.audit import AuditRepository
from db.access.tokens import MalformedTokenError
from db.core.access_errors import BadKeyError, BadLinkError, ExpiredLinkError
from db.core.session import Sessions
from db.problems.access import (
    LINK_EXPIRED,
    LINK_REFUSED,
    MISSING_SCOPE,
    RATE_LIMITED,
    UNAUTHENTICATED,
)
from db.problems.plain import PLAIN

logger = logging.getLogger(__name__)

CONTROL_CHARACTER = re.compile(r"[\x00-\x1f\x7f]")
"""Matches a control character. Paths that contain one are refused: no route needs them, and the
patterns of routes and of scopes treat a newline at the end of a path differently."""


class AuthenticationMiddleware:
    """Authenticates requests that need a key; limits the rate of these and of trigger calls."""

    def __init__(
        self, app: ASGIApp, settings: ApiSettings, sessions: Sessions, identity: Identity
    ) -> None:
        self._app, self._sessions, self._identity = app, sessions, identity
        self._buckets: TokenBuckets | None = None
        if settings.rate_limit_per_minute:
            self._buckets = TokenBuckets(
                settings.rate_limit_per_minute, settings.rate_limit_burst, settings.buckets_file
            )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the application, or send an error response.

        If the request needs a key, ``state.caller`` is set before the application is called.
        """
        if scope["type"] == "http" and CONTROL_CHARACTER.search(scope["path"]):
            detail = "The path contains a control character."
            await respond(Request(scope), PLAIN[404].problem(detail))(scope, receive, send)
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if (needed := _needed(scope)) is None:
            await self._without_key(Request(scope, receive), send)
            return
        audited = await self._authenticate(Request(scope, receive), needed, send)
        if isinstance(audited, Response):
            await audited(scope, receive, send)
            return
        try:
            await self._app(scope, receive, audited.send)
        except Exception as error:  # whatever failed, the audit has an entry
            await audited.record(503 if isinstance(error, OperationalError) else 500)
            raise

    async def _without_key(self, request: Request, send: Send) -> None:
        """Call the application for a request that needs no key; limit the rate of trigger calls."""
        scope, receive = request.scope, request.receive
        if not any(is_trigger_call(scope["method"], path) for path in _paths(scope)):
            await self._app(scope, receive, send)
            return
        headers, limited = self._count(request, None)
        if limited is not None:
            await limited(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                add_missing(message, raw(headers))
            await send(message)

        await self._app(scope, receive, send_with_headers)

    async def _authenticate(
        self, request: Request, needed: Needed, send: Send
    ) -> "Response | _AuditedResponse":
        """Return an error response, or an object that sends and audits the route's response."""
        # Before the key is looked up: a client that guesses keys is limited by its address.
        sent = self._identity.credentials(request)
        headers, limited = self._count(request, self._identity.recent_key_id(sent))
        if limited is not None:
            return limited
        try:
            caller = await self._identity.caller(request, sent)
        except (BadKeyError, MalformedTokenError) as bad:
            return _unauthenticated(request, str(bad), headers)
        except BadLinkError as bad:
            kind = LINK_EXPIRED if isinstance(bad, ExpiredLinkError) else LINK_REFUSED
            return respond(request, kind.problem(f"The link is not valid: {bad}."), headers)
        audited = _AuditedResponse(request, caller, headers, self._sessions, send)
        if lacking := caller.lacks(needed):
            await audited.record(MISSING_SCOPE.status)
            forbidden = _forbidden(caller, ", ".join(lacking))
            headers = {**headers, **(forbidden.headers or {})}
            return respond(request, forbidden.problem, headers)
        request.state.caller = caller
        request.state.still_allowed = self._identity.still_allowed(sent)
        return audited

    def _count(
        self, request: Request, key_id: str | None
    ) -> tuple[Mapping[str, str], Response | None]:
        """Count a request; return the rate limit headers, and an error response or None.

        There is an error response if the request exceeds the limit.
        """
        if self._buckets is None:
            return {}, None
        taken = self._buckets.take(key_id or _address(request))
        headers = self._buckets.headers(taken)
        if not taken.wait_s:
            return headers, None
        detail = f"There were more than {self._buckets.per_minute} requests in a minute."
        return headers, respond(request, RATE_LIMITED.problem(detail), headers)


class _AuditedResponse:
    """Adds the rate limit headers to a response, and writes its audit entry."""

    def __init__(
        self,
        request: Request,
        caller: Caller,
        headers: Mapping[str, str],
        sessions: Sessions,
        send: Send,
    ) -> None:
        self._request, self._caller, self._headers = request, caller, headers
        self._sessions, self._send = sessions, send
        self._is_recorded = request.method in READING

    async def send(self, message: Message) -> None:
        """Send a part of the response; before the first part, write the audit entry."""
        if message["type"] == "http.response.start":
            if not self._is_recorded:
                await self.record(
                    message["status"], Headers(raw=message["headers"]).get("location")
                )
            add_missing(message, raw(self._headers))
        await self._send(message)

    async def record(self, status: int, location: str | None = None) -> None:
        """Write the audit entry, unless it was written before or the request changes nothing.

        If ``status`` is 503, the database is probably unavailable, so the entry is only logged.
        """
        request = self._request
        if self._is_recorded or getattr(request.state, "changes_nothing", False):
            return
        self._is_recorded = True
        route = request.scope.get("route")
        fields = {
            "key_id": self._caller.key_id,
            "who": self._caller.name,
            "action": getattr(route, "name", request.method.lower()),
            "target": urlsplit(location).path if location else quote(request.scope["path"]),
            "status": status,
            "request_id": request.state.request_id,
            "address": _address(request),
        }
        if status == 503:  # the database accepts no changes, so no entry either
            logger.warning("not in the audit: %s", fields)
            return
        try:
            await run_writer(self._write, fields)
        except Exception:
            # The change is made: after an error response the client would make it again.
            logger.exception("no audit entry could be written: %s", fields)

    def _write(self, fields: dict[str, object]) -> None:
        with self._sessions.begin() as session:
            AuditRepository(session).add(**fields)


async def require_scope(request: Request) -> None:
    """Check that the caller has the scopes that the matched route needs.

    The middleware looks up the needed scopes by the path as it was sent. This check uses the path
    template of the matched route, so that no spelling of a path avoids the check.

    Raises:
        ProblemError: the caller lacks a scope.
    """
    needed = needed_for(request.method, request.scope["route"].path)
    if needed is None:
        return
    caller: Caller = request.state.caller  # missing only if the middleware is wrong: a 500
    if lacking := caller.lacks(needed):
        raise _forbidden(caller, ", ".join(lacking))


def _needed(scope: Scope) -> Needed | None:
    """Return the scopes that the request needs; None if it needs no key.

    First the path is looked up as it was sent. If no key is needed for it, the path without a
    proxy's prefix (``root_path``) is looked up.
    """
    for path in _paths(scope):
        if (needed := needed_for(scope["method"], path)) is not None:
            return needed
    return None


def _paths(scope: Scope) -> tuple[str, str]:
    path: str = scope["path"]
    return path, path.removeprefix(scope.get("root_path", ""))


def _address(request: Request) -> str:
    return "" if request.client is None else request.client.host


def _unauthenticated(request: Request, reason: str, headers: Mapping[str, str]) -> Response:
    sent = "authorization" in request.headers
    challenge = 'Bearer realm="zpruner"' + (', error="invalid_token"' if sent else "")
    detail = f"{reason[0].upper()}{reason[1:]}."
    headers = {**headers, "www-authenticate": challenge}
    return respond(request, UNAUTHENTICATED.problem(detail), headers)


def _forbidden(caller: Caller, lacking: str) -> ProblemError:
    challenge = f'Bearer realm="zpruner", error="insufficient_scope", scope="{lacking}"'
    detail = f"Key {caller.name} lacks the scope {lacking}."
    hint = f"Use a key with the scope {lacking}; an admin can create one."
    return ProblemError(MISSING_SCOPE.problem(detail, hint=hint), {"www-authenticate": challenge})
