"""Authenticates callers, limits their rate, checks their scopes and writes the audit."""

import logging
import re
from collections.abc import Mapping
from functools import partial
from urllib.parse import quote, urlsplit

from fastapi import Request
from sqlalchemy.exc import OperationalError
from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.deps import Service
from api.middleware.caller import Caller
from api.middleware.identity import Identity
from api.middleware.rate_limits import Buckets
from api.middleware.scopes import READING, Needed, needed_for, proves_itself
from api.middleware.writers import run_writer
from api.problems.handlers import ProblemError, respond
from api.settings import ApiSettings
from db.access.audit import AuditRepository
from db.access.tokens import NotATokenError
from db.core.errors import BadKeyError, BadLinkError, ExpiredLinkError
from db.core.session import Sessions
from db.problems.access import (
    LINK_EXPIRED,
    LINK_REFUSED,
    MISSING_SCOPE,
    RATE_LIMITED,
    UNAUTHENTICATED,
)
from db.problems.plain import PLAIN
from db.tables.access import AccessScope

logger = logging.getLogger(__name__)

NO_PATH = re.compile(r"[\x00-\x1f\x7f]")
"""No path of ours has these, and routes and patterns do not agree about a newline at the end."""


class Guard:
    """Wraps the application; paths that need no key are handed on unchecked."""

    def __init__(self, app: ASGIApp, settings: ApiSettings, service: Service) -> None:
        self._app, self._sessions = app, service.sessions
        self._identity = Identity(settings, service.sessions, service.by_the_way)
        self._buckets: Buckets | None = None
        if settings.rate_limit_per_minute:
            self._buckets = Buckets(settings.rate_limit_per_minute, settings.rate_limit_burst)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or hand it on with ``state.caller``."""
        if scope["type"] == "http" and NO_PATH.search(scope["path"]):
            detail = "The path has a control character."
            await respond(Request(scope), PLAIN[404].problem(detail))(scope, receive, send)
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if (needed := _needed(scope)) is None:
            await self._let_by(Request(scope, receive), send)
            return
        answer = await self._visit(Request(scope, receive), needed, send)
        if isinstance(answer, Response):
            await answer(scope, receive, send)
            return
        try:
            await self._app(scope, receive, answer.send)
        except Exception as error:
            await answer.record(503 if isinstance(error, OperationalError) else 500)
            raise
        finally:
            if AccessScope.admin in needed:
                self._identity.forget()

    async def _let_by(self, request: Request, send: Send) -> None:
        """Hand on what needs no key; what its route has to check first is counted all the same."""
        scope, receive = request.scope, request.receive
        if not any(proves_itself(scope["method"], path) for path in _paths(scope)):
            await self._app(scope, receive, send)
            return
        headers, limited = self._take(request, None)
        if limited is not None:
            await limited(scope, receive, send)
            return

        async def tell(message: Message) -> None:
            if message["type"] == "http.response.start":
                _add(message, headers)
            await send(message)

        await self._app(scope, receive, tell)

    async def _visit(self, request: Request, needed: Needed, send: Send) -> "Response | _Answer":
        """Return the refusal, or how the answer goes out."""
        # Before a key is looked up: whoever makes keys up is limited by the address.
        headers, limited = self._take(request, self._identity.known_as(request))
        if limited is not None:
            return limited
        try:
            caller = await self._identity.of(request)
        except (BadKeyError, NotATokenError) as bad:
            return _unauthenticated(request, str(bad))
        except BadLinkError as bad:
            kind = LINK_EXPIRED if isinstance(bad, ExpiredLinkError) else LINK_REFUSED
            return respond(request, kind.problem(f"The link is not valid: {bad}."), headers)
        answer = _Answer(request, caller, headers, self._sessions, send)
        if lacking := caller.lacks(needed):
            await answer.record(MISSING_SCOPE.status)
            refusal = _forbidden(caller, ", ".join(lacking))
            headers = {**headers, **(refusal.headers or {})}
            return respond(request, refusal.problem, headers)
        request.state.caller = caller
        request.state.still_opens = partial(self._identity.still_opens, request)
        return answer

    def _take(
        self, request: Request, key_id: str | None
    ) -> tuple[Mapping[str, str], Response | None]:
        """Count the request; return what its answer tells of that, and the refusal if it is one."""
        if self._buckets is None:
            return {}, None
        taken = self._buckets.take(key_id or _address(request))
        headers = self._buckets.headers(taken)
        if not taken.wait_s:
            return headers, None
        detail = f"There were more than {self._buckets.per_minute} requests in a minute."
        return headers, respond(request, RATE_LIMITED.problem(detail), headers)


class _Answer:
    """Adds the rate's headers to a response, and writes its audit entry."""

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
        """Send a part of the response; none before the audit entry is written."""
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            await self.record(message["status"], headers.get("location"))
            _add(message, self._headers)
        await self._send(message)

    async def record(self, status: int, location: str | None = None) -> None:
        """Keep one entry of a request that would change something."""
        if self._is_recorded:
            return
        self._is_recorded = True
        request, route = self._request, self._request.scope.get("route")
        fields = {
            "key_id": self._caller.key_id,
            "who": self._caller.name,
            "action": getattr(route, "name", request.method.lower()),
            "target": urlsplit(location).path if location else quote(request.scope["path"]),
            "status": status,
            "request_id": request.state.request_id,
            "address": _address(request),
        }
        if status == 503:  # the database takes no changes, so no entry either
            logger.warning("not in the audit: %s", fields)
            return
        try:
            await run_writer(self._write, fields)
        except Exception:
            # The change is made: an answer that denies it would have it made again.
            logger.exception("no audit entry could be written: %s", fields)

    def _write(self, fields: dict[str, object]) -> None:
        with self._sessions.begin() as session:
            AuditRepository(session).add(**fields)


async def require_scope(request: Request) -> None:
    """Ask for the scope of the route that answers, however its path was written.

    Raises:
        ProblemError: the caller lacks it.
    """
    needed = needed_for(request.method, request.scope["route"].path)
    if needed is None:
        return
    caller: Caller = request.state.caller  # without one the guard's own rule was wrong: a 500
    if lacking := caller.lacks(needed):
        raise _forbidden(caller, ", ".join(lacking))


def _needed(scope: Scope) -> Needed | None:
    """Return what the request needs, whether or not a proxy's prefix stands before its path."""
    for one in _paths(scope):
        if (needed := needed_for(scope["method"], one)) is not None:
            return needed
    return None


def _paths(scope: Scope) -> tuple[str, str]:
    path: str = scope["path"]
    return path, path.removeprefix(scope.get("root_path", ""))


def _add(start: Message, headers: Mapping[str, str]) -> None:
    """Add headers to the start of an answer, which keeps its own."""
    told = MutableHeaders(scope=start)
    for name, value in headers.items():
        told.setdefault(name, value)


def _address(request: Request) -> str:
    return "" if request.client is None else request.client.host


def _unauthenticated(request: Request, why: str) -> Response:
    sent = "authorization" in request.headers
    challenge = 'Bearer realm="zpruner"' + (', error="invalid_token"' if sent else "")
    detail = f"{why[0].upper()}{why[1:]}."
    return respond(request, UNAUTHENTICATED.problem(detail), {"www-authenticate": challenge})


def _forbidden(caller: Caller, lacking: str) -> ProblemError:
    challenge = f'Bearer realm="zpruner", error="insufficient_scope", scope="{lacking}"'
    detail = f"Key {caller.name} lacks the scope {lacking}."
    hint = f"Use a key with the scope {lacking}; an admin can create one."
    return ProblemError(MISSING_SCOPE.problem(detail, hint=hint), {"www-authenticate": challenge})
