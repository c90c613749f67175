"""Who a request is from: the owner of a key, or somebody who needs none."""

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
from db.access.tokens import NotATokenError, Token
from db.core.errors import BadKeyError
from db.core.ids import id_pattern
from db.core.session import Sessions
from db.jobs.download_links import Link, LinkRepository
from db.startup.server_settings import is_loopback
from db.tables.access import ApiKey

logger = logging.getLogger(__name__)

FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip")
FILE = re.compile(rf"/v1/artifacts/({id_pattern('art')})/content")
KNOWN_FOR_S = 1.0
"""How long a key is not looked up again: pollers would else pay for each 304 with a query."""
REMEMBERED_FOR_S = 600.0
"""How long a key that opened counts by itself, and no longer for the address it comes from."""


class Identity:
    """Finds out who sent a request; scopes are checked elsewhere."""

    def __init__(self, settings: ApiSettings, sessions: Sessions, by_the_way: Sessions) -> None:
        self._settings, self._sessions = settings, sessions
        self._by_the_way = by_the_way
        self._known: dict[tuple[str, str], tuple[float, Caller]] = {}
        self._lately: dict[tuple[str, str], float] = {}

    async def of(self, request: Request) -> Caller:
        """Return who asks.

        Raises:
            BadKeyError: it is nobody who may.
            BadLinkError: the link that was followed opens nothing.
            NotATokenError: what was sent is no key.
        """
        if (link := _followed(request)) is not None:
            await run_in_threadpool(self._check, link)
            return LINK
        written = self._written(request)
        if written is not None:
            return await self._owner(Token.read(written))
        if self._settings.auth == "none":
            return ANYONE
        if self._settings.needs_keys or not is_local(request):
            raise BadKeyError("the request came without a key")
        return LOCAL

    def known_as(self, request: Request) -> str | None:
        """Return the id of the key that was sent, if it has opened lately; look nothing up."""
        try:
            written = self._written(request)
            token = None if written is None else Token.read(written)
        except (BadKeyError, NotATokenError):
            return None
        if token is None or (token.key_id, token.digest) not in self._lately:
            return None
        return token.key_id

    async def still_opens(self, request: Request) -> bool:
        """Whether the request would be let in now, too."""
        try:
            await self.of(request)
        except (BadKeyError, NotATokenError):
            return False
        except SQLAlchemyError as error:
            # Streams live through a database that restarts, and have nothing to tell meanwhile.
            logger.warning("a key could not be looked up: %s", error)
        return True

    def forget(self) -> None:
        """Look every key up anew: one of them may have changed."""
        self._known.clear()

    def _written(self, request: Request) -> str | None:
        """Return the key as it was sent; without ``Authorization``, None."""
        if b"zpr_" in request.scope["query_string"]:
            raise BadKeyError("the key came in the URL, where logs keep it: revoke it")
        if (header := request.headers.get("authorization")) is None:
            return None
        scheme, _, written = header.partition(" ")
        if self._settings.auth == "none" and not written.strip().startswith("zpr_"):
            return None  # it speaks to the proxy in front
        if scheme.lower() != "bearer":
            raise BadKeyError("Authorization does not say Bearer")
        return written.strip()

    async def _owner(self, token: Token) -> Caller:
        now, name = time.monotonic(), (token.key_id, token.digest)
        since, caller = self._known.get(name, (0.0, None))
        if caller is None or now - since > KNOWN_FOR_S:
            try:
                caller = await run_in_threadpool(self._look_up, token)
            except BadKeyError:
                self._lately.pop(name, None)
                raise
            self._remember(name, now, caller)
        return caller

    def _remember(self, name: tuple[str, str], now: float, caller: Caller) -> None:
        self._known = {
            one: known for one, known in self._known.items() if now - known[0] <= KNOWN_FOR_S
        }
        self._known[name] = (now, caller)
        self._lately = {one: at for one, at in self._lately.items() if now - at <= REMEMBERED_FOR_S}
        self._lately[name] = now

    def _check(self, link: Link) -> None:
        with self._sessions() as session:
            LinkRepository(session).check(link)

    def _look_up(self, token: Token) -> Caller:
        with self._sessions() as session:
            key, is_unnoted = KeyRepository(session).check(token)
        if is_unnoted:
            self._note_use(key)
        return Caller.of(key)

    def _note_use(self, key: ApiKey) -> None:
        try:
            with self._by_the_way.begin() as session:
                KeyRepository(session).note_use(key.id)
        except OperationalError as error:  # the next request notes it
            logger.warning("the use of key %s could not be noted: %s", key.id, error.orig)


def _followed(request: Request) -> Link | None:
    """Return the link to a file that the request follows; None where it is another request.

    Raises:
        BadLinkError: it should be one.
    """
    query = request.scope["query_string"].decode("latin-1")
    path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    match = FILE.fullmatch(path)
    if match is None or request.method not in READING or "sig=" not in query:
        return None
    return Link.read(match[1], query)


def is_local(request: Request) -> bool:
    """Whether the request came to a loopback address, by that name, and from no proxy.

    A proxy on this machine connects from loopback as well; its headers tell.
    """
    server, _ = request.scope.get("server") or ("", None)
    is_handed_on = any(name in request.headers for name in FORWARDED)
    return is_loopback(server) and is_loopback(requested_host(request)) and not is_handed_on
