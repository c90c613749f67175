"""The caller of a request, by its key or its link, or without one where none is needed."""

import logging
import re
import time

from fastapi import Request
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from api.middleware.caller import ANYONE, LINK, LOCAL, Caller
from api.middleware.hosts import requested_host
from api.middleware.scopes import READING
from api.settings import ApiSettings
from db.access.keys import KeyRepository
from db.access.tokens import MalformedTokenError, Token
from db.core.errors import BadKeyError
from db.core.ids import id_pattern
from db.core.session import Sessions
from db.jobs.download_links import Link, LinkRepository
from db.startup.server_settings import is_loopback
from db.tables.access import ApiKey

logger = logging.getLogger(__name__)

FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip")
FILE = re.compile(rf"/v1/artifacts/({id_pattern('art')})/content")
CACHED_FOR_S = 1.0
"""How long a key is not looked up again; otherwise each 304 of a poller would cost a query."""
RECENT_FOR_S = 600.0
"""How long the rate of a valid key is counted for the key, and not for the client's address."""

KeyName = tuple[str, str]
"""A key's id and the digest of the secret that was sent."""


class Identity:
    """Finds the caller of a request; scopes are checked elsewhere."""

    def __init__(
        self, settings: ApiSettings, sessions: Sessions, best_effort_sessions: Sessions
    ) -> None:
        self._settings, self._sessions = settings, sessions
        self._best_effort_sessions = best_effort_sessions
        self._cached: dict[KeyName, tuple[float, Caller]] = {}
        self._recent: dict[KeyName, float] = {}

    async def caller(self, request: Request) -> Caller:
        """Return the caller of a request.

        Raises:
            BadKeyError: the key is missing or not valid.
            BadLinkError: the link is not valid.
            MalformedTokenError: the text in Authorization is not a key.
        """
        if (link := _link(request)) is not None:
            await run_in_threadpool(self._check, link)
            return LINK
        sent = self._sent_key(request)
        if sent is not None:
            return await self._owner(Token.read(sent))
        if self._settings.auth == "none":
            return ANYONE
        if self._settings.needs_keys or not is_local(request):
            raise BadKeyError("the request has no key")
        return LOCAL

    def recent_key_id(self, request: Request) -> str | None:
        """Return the id of the request's key if it was valid recently; without a query."""
        try:
            sent = self._sent_key(request)
            token = None if sent is None else Token.read(sent)
        except (BadKeyError, MalformedTokenError):
            return None
        if token is None or (token.key_id, token.digest) not in self._recent:
            return None
        return token.key_id

    async def still_allowed(self, request: Request) -> bool:
        """Whether the request would be authenticated now as well."""
        try:
            await self.caller(request)
        except (BadKeyError, MalformedTokenError):
            return False
        except SQLAlchemyError as error:
            # Streams continue while the database restarts: they send nothing meanwhile.
            logger.warning("a key could not be looked up: %s", error)
        return True

    def clear_cache(self) -> None:
        """Look up every key again, because one of them may have changed."""
        self._cached.clear()

    def _sent_key(self, request: Request) -> str | None:
        if b"zpr_" in request.scope["query_string"]:
            raise BadKeyError("the key was sent in the URL, which logs record: revoke it")
        if (header := request.headers.get("authorization")) is None:
            return None
        scheme, _, sent = header.partition(" ")
        if self._settings.auth == "none" and not sent.strip().startswith("zpr_"):
            return None  # these credentials are for a proxy in front of the service
        if scheme.lower() != "bearer":
            raise BadKeyError("the scheme in Authorization is not Bearer")
        return sent.strip()

    async def _owner(self, token: Token) -> Caller:
        now, name = time.monotonic(), (token.key_id, token.digest)
        since, caller = self._cached.get(name, (0.0, None))
        if caller is None or now - since > CACHED_FOR_S:
            try:
                caller = await run_in_threadpool(self._look_up, token)
            except BadKeyError:
                self._recent.pop(name, None)
                raise
            self._cache(name, now, caller)
        return caller

    def _cache(self, name: KeyName, now: float, caller: Caller) -> None:
        self._cached = {
            one: entry for one, entry in self._cached.items() if now - entry[0] <= CACHED_FOR_S
        }
        self._cached[name] = (now, caller)
        self._recent = {one: at for one, at in self._recent.items() if now - at <= RECENT_FOR_S}
        self._recent[name] = now

    def _check(self, link: Link) -> None:
        with self._sessions() as session:
            LinkRepository(session).check(link)

    def _look_up(self, token: Token) -> Caller:
        with self._sessions() as session:
            key, use_is_due = KeyRepository(session).authenticate(token)
        if use_is_due:
            self._record_use(key)
        return Caller.of(key)

    def _record_use(self, key: ApiKey) -> None:
        try:
            with self._best_effort_sessions.begin() as session:
                KeyRepository(session).record_use(key.id)
        except OperationalError as error:  # the next request notes it
            logger.warning("the use of key %s could not be noted: %s", key.id, error.orig)


def _link(request: Request) -> Link | None:
    """Return the signed link of a file that the request follows; None for all other requests.

    Raises:
        BadLinkError: the link is malformed.
    """
    query = request.scope["query_string"].decode("latin-1")
    path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    match = FILE.fullmatch(path)
    if match is None or request.method not in READING or "sig=" not in query:
        return None
    return Link.parse(match[1], query)


def is_local(request: Request) -> bool:
    """Whether the request was sent to loopback by address and by name, and not through a proxy.

    A proxy on this machine also connects from loopback; its headers show that it is one.
    """
    server, _ = request.scope.get("server") or ("", None)
    is_forwarded = any(name in request.headers for name in FORWARDED)
    return is_loopback(server) and is_loopback(requested_host(request)) and not is_forwarded
