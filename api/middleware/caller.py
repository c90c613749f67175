"""Who asks."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from api.middleware.scopes import Needed
from db.tables.access import AccessScope, ApiKey

StillOpens = Callable[[], Awaitable[bool]]
"""Whether the request would be let in now, too: for answers that take long."""


@dataclass(frozen=True)
class Caller:
    """Whoever a request is from.

    Attributes:
        name: the key's name; without a key, why there is none.
        key: None for whoever may come in without.
    """

    name: str
    scopes: frozenset[AccessScope]
    key: ApiKey | None = None

    @classmethod
    def of(cls, key: ApiKey) -> "Caller":
        """Return the owner of a key."""
        return cls(key.name, frozenset(map(AccessScope, key.scopes)), key)

    @property
    def key_id(self) -> str | None:
        """The key's id, which a job keeps as ``created_by``."""
        return None if self.key is None else self.key.id

    def lacks(self, needed: Needed) -> list[AccessScope]:
        """Return which of the scopes the caller does not have."""
        return [] if AccessScope.admin in self.scopes else sorted(needed - self.scopes)


EVERYTHING = frozenset(AccessScope)
LOCAL = Caller("this machine", EVERYTHING)
ANYONE = Caller("anyone", EVERYTHING)
LINK = Caller("whoever has the link", frozenset({AccessScope.artifacts_read}))


def _caller(request: Request) -> Caller:
    caller: Caller = request.state.caller
    return caller


def _still_opens(request: Request) -> StillOpens:
    asked: StillOpens = request.state.still_opens
    return asked


CallerDep = Annotated[Caller, Depends(_caller)]
StillOpensDep = Annotated[StillOpens, Depends(_still_opens)]
