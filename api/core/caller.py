"""The caller of a request."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from api.core.scopes import Needed
from db.tables.access import AccessScope, ApiKey

StillAllowed = Callable[[], Awaitable[bool]]
"""Returns whether the caller's key or link is still valid; long responses call it repeatedly.

Functions for the same key or link compare equal, so one call serves all responses for that
key or link.
"""


async def always_allowed() -> bool:
    return True


@dataclass(frozen=True)
class Caller:
    """The sender of a request.

    Attributes:
        name: the key's name, or a description of a caller without a key.
        key: the caller's API key; None for a caller that needs no key.
    """

    name: str
    scopes: frozenset[AccessScope]
    key: ApiKey | None = None

    @classmethod
    def of(cls, key: ApiKey) -> "Caller":
        return cls(key.name, frozenset(map(AccessScope, key.scopes)), key)

    @property
    def key_id(self) -> str | None:
        """The key's id, which a job stores as ``created_by``; None without a key."""
        return None if self.key is None else self.key.id

    @property
    def owns_all(self) -> bool:
        """Whether every job counts as the caller's own, as for an admin."""
        return AccessScope.admin in self.scopes

    def owns(self, created_by: str | None) -> bool:
        """Whether a job that a key created is the caller's own."""
        return self.owns_all or created_by == self.key_id

    def lacks(self, needed: Needed) -> list[AccessScope]:
        """Return the needed scopes that the caller lacks; a caller with ``admin`` lacks none."""
        return [] if AccessScope.admin in self.scopes else sorted(needed - self.scopes)


EVERYTHING = frozenset(AccessScope)
LOCAL = Caller("this machine", EVERYTHING)
ANYONE = Caller("anyone", EVERYTHING)
LINK = Caller("the holder of a link", frozenset({AccessScope.artifacts_read}))


async def _caller(request: Request) -> Caller:
    caller: Caller = request.state.caller
    return caller


async def _still_allowed(request: Request) -> StillAllowed:
    check: StillAllowed = request.state.still_allowed
    return check


CallerDep = Annotated[Caller, Depends(_caller)]
StillAllowedDep = Annotated[StillAllowed, Depends(_still_allowed)]
