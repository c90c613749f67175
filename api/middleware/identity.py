"""Identification of a request's caller: by a key, by a download link, or without either."""

import logging
import re
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fastapi import Request
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from api.core.caller import (
    ANYONE,
    LINK,
    LOCAL,
    Caller,
    StillAllowed,
    always_allowed,
)
from api.core.current_values import CommitMarks, CurrentValues
from api.core.scopes import READING
from api.core.settings import ApiSettings
from api.middleware.hosts import requested_host
from db.access.keys import KeyRepository
from db.access.tokens import MalformedTokenError, SentKey, Token
from db.core.access_errors import BadKeyError, BadLinkError
from db.core.ids import id_pattern
from db.core.session import Sessions
from db.jobs.download_links import Link, LinkRepository
from db.startup.server_settings import is_loopback
from db.tables.access import ApiKey

logger = logging.getLogger(__name__)

FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip")
DOWNLOAD = re.compile(
    rf"/v1/(?:artifacts/({id_pattern('art')})/content|jobs/({id_pattern('job')})/archive)"
)
MAX_KEYS = 4096
"""How many recently used keys are kept in memory."""
CHECK_EXPIRY_EVERY_S = 1.0
"""How long the result of a key's look-up is reused. A commit ends the reuse earlier; but when a key
expires, nothing is committed, so there has to be a maximum age."""
RECENT_FOR_S = 600.0
"""How long after its last valid use a key has its own rate limit. Later, a request with the key
counts against the limit of the client's address, until the key has been found valid again."""

CredentialsError = BadKeyError | BadLinkError | MalformedTokenError


@dataclass(frozen=True)
class Credentials:
    """The key or the link that a request has sent, or neither.

    Attributes:
        error: the reason why the key or link cannot be valid, if there is one.
    """

    key: SentKey | None = None
    link: Link | None = None
    error: CredentialsError | None = None


class Identity:
    """Finds the caller of a request; scopes are checked elsewhere."""

    def __init__(
        self,
        settings: ApiSettings,
        sessions: Sessions,
        best_effort_sessions: Sessions,
        marks: CommitMarks,
    ) -> None:
        self._settings, self._sessions = settings, sessions
        self._best_effort_sessions = best_effort_sessions
        self._callers = CurrentValues[SentKey, Caller](
            marks, self._look_up, max_values=MAX_KEYS, max_age_s=CHECK_EXPIRY_EVERY_S
        )
        self._recent: OrderedDict[SentKey, float] = OrderedDict()

    def credentials(self, request: Request) -> Credentials:
        """Return the key or link that the request has sent; this needs no database query."""
        try:
            if (link := _link(request)) is not None:
                return Credentials(link=link)
            sent = self._sent_text(request)
            return Credentials(key=None if sent is None else Token.read(sent).sent)
        except (BadKeyError, BadLinkError, MalformedTokenError) as error:
            return Credentials(error=error)

    async def caller(self, request: Request, sent: Credentials) -> Caller:
        """Return the caller of a request.

        Raises:
            BadKeyError: the key is missing, was sent in the wrong way, or is not valid.
            BadLinkError: the link is not valid.
            MalformedTokenError: the text in Authorization is not a key.
        """
        if sent.error is not None:
            raise sent.error
        if sent.link is not None:
            await run_in_threadpool(self._check, sent.link)
            return LINK
        if sent.key is not None:
            return await self._owner(sent.key)
        if self._settings.auth == "none":
            return ANYONE
        if self._settings.needs_keys or not is_local(request):
            raise BadKeyError("the request has no key")
        return LOCAL

    def recent_key_id(self, sent: Credentials) -> str | None:
        """Return the key's id if the key was valid in the last ``RECENT_FOR_S`` seconds, else None.

        This needs no database query.
        """
        if sent.key is None:
            return None
        valid_at = self._recent.get(sent.key, -RECENT_FOR_S)
        return sent.key.key_id if time.monotonic() - valid_at < RECENT_FOR_S else None

    def still_allowed(self, sent: Credentials) -> StillAllowed:
        """Return a function that checks whether credentials that were valid still are."""
        return always_allowed if sent == Credentials() else _StillAllowed(self, sent)

    async def is_valid(self, sent: Credentials) -> bool:
        """Whether a key or link is valid now; also true if the database does not respond."""
        try:
            if sent.link is not None:
                await run_in_threadpool(self._check, sent.link)
            if sent.key is not None:
                await self._owner(sent.key)
        except (BadKeyError, BadLinkError):
            return False
        except SQLAlchemyError as error:
            # Streams continue while the database restarts: they send nothing meanwhile.
            logger.warning("a key could not be looked up: %s", error)
        return True

    def _sent_text(self, request: Request) -> str | None:
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

    async def _owner(self, sent: SentKey) -> Caller:
        try:
            caller = await self._callers.get(sent)
        except BadKeyError:
            self._recent.pop(sent, None)
            raise
        self._recent[sent] = time.monotonic()
        self._recent.move_to_end(sent)
        if len(self._recent) > MAX_KEYS:
            self._recent.popitem(last=False)
        return caller

    def _check(self, link: Link) -> None:
        with self._sessions() as session:
            LinkRepository(session).check(link)

    def _look_up(
        self, sent: Sequence[SentKey], _known: Mapping[SentKey, Caller]
    ) -> dict[SentKey, Caller | Exception]:
        return {key: self._caller_of(key) for key in sent}

    def _caller_of(self, sent: SentKey) -> Caller | BadKeyError:
        try:
            with self._sessions() as session:
                key, use_is_due = KeyRepository(session).authenticate(sent)
        except BadKeyError as error:
            return error
        if use_is_due:
            self._record_use(key)
        return Caller.of(key)

    def _record_use(self, key: ApiKey) -> None:
        try:
            with self._best_effort_sessions.begin() as session:
                KeyRepository(session).record_use(key.id)
        except OperationalError as error:  # the next request notes it
            logger.warning("the use of key %s could not be noted: %s", key.id, error.orig)


@dataclass(frozen=True)
class _StillAllowed:
    """Checks if a key or link is still valid; instances with equal credentials compare equal."""

    identity: Identity
    sent: Credentials

    async def __call__(self) -> bool:
        return await self.identity.is_valid(self.sent)


def _link(request: Request) -> Link | None:
    """Return the signed download link that the request follows; None for other requests.

    Raises:
        BadLinkError: the link is malformed.
    """
    query = request.scope["query_string"].decode("latin-1")
    path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    match = DOWNLOAD.fullmatch(path)
    if match is None or request.method not in READING or "sig=" not in query:
        return None
    return Link.parse(match[1] or match[2], query)


def is_local(request: Request) -> bool:
    """Whether a request comes from this machine, and not through a proxy.

    The request must have been sent to a loopback address, ``Host`` must name a loopback host, and
    the request must have no header that proxies add. A proxy on this machine also connects to a
    loopback address, but its clients may be elsewhere.
    """
    server, _ = request.scope.get("server") or ("", None)
    is_forwarded = any(name in request.headers for name in FORWARDED)
    return is_loopback(server) and is_loopback(requested_host(request)) and not is_forwarded
