"""Links that open one file without a key, until they expire."""

import hmac
import re
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from math import ceil
from typing import Self

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.access.keys import KeyRepository
from db.core.clock import now
from db.core.errors import ArtifactNotFoundError, BadLinkError, ExpiredLinkError
from db.core.ids import id_pattern
from db.files.artifacts import ArtifactRepository
from db.jobs.repository import JobRepository
from db.tables.access import Secret

VERSION, METHOD = "1", "GET"
"""What is signed, and what the link is good for; HEAD is GET without the bytes."""
SECRET = "links"  # noqa: S105 - its name
LONGEST = timedelta(days=7)
WRITTEN = re.compile(
    rf"expires=([1-9][0-9]{{0,11}})(?:&key=({id_pattern('key')}))?&sig=([0-9a-f]{{64}})",
    re.ASCII,
)


@dataclass(frozen=True)
class Link:
    """A link to one file.

    Attributes:
        expires: when, in seconds since 1970.
        key_id: the key that it was made with, and dies with; None where none was needed.
    """

    artifact_id: str
    expires: int
    key_id: str | None
    signature: str = field(repr=False)

    @classmethod
    def read(cls, artifact_id: str, query: str) -> Self:
        """Read a link as it was given out; written in any other way it is none.

        Raises:
            BadLinkError: it is none.
        """
        if (match := WRITTEN.fullmatch(query)) is None:
            raise BadLinkError("the link is not as it was given out")
        return cls(artifact_id, int(match[1]), match[2], match[3])

    @property
    def query(self) -> str:
        """What stands behind the question mark."""
        key = "" if self.key_id is None else f"&key={self.key_id}"
        return f"expires={self.expires}{key}&sig={self.signature}"


class LinkRepository:
    """Links, made and checked in one session; nothing of them is kept."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def make(self, artifact_id: str, lifetime: timedelta, key_id: str | None) -> Link:
        """Make a link.

        Raises:
            ArtifactNotFoundError: there is no such file.
        """
        at = self._session.scalars(select(now(lifetime))).one()
        expires = ceil(at.timestamp())
        return Link(artifact_id, expires, key_id, self._signature(artifact_id, expires, key_id))

    def check(self, link: Link) -> None:
        """Refuse a link that opens nothing.

        Raises:
            BadLinkError: it was not made here, its file is gone, or its key is no good any longer.
            ExpiredLinkError: its time is over.
        """
        try:
            signature = self._signature(link.artifact_id, link.expires, link.key_id)
        except ArtifactNotFoundError:
            raise BadLinkError("its signature is another one, or the file is gone") from None
        if not hmac.compare_digest(signature, link.signature):
            raise BadLinkError("its signature is another one, or the file is gone")
        if link.expires <= self._session.scalars(select(now())).one().timestamp():
            raise ExpiredLinkError("its time is over")
        if link.key_id is not None and not KeyRepository(self._session).is_live(link.key_id):
            raise BadLinkError("the key that it was made with is revoked, or has expired")

    def _signature(self, artifact_id: str, expires: int, key_id: str | None) -> str:
        artifact = ArtifactRepository(self._session).get(artifact_id)
        owner = JobRepository(self._session).get(artifact.job_id).created_by
        signed = (VERSION, METHOD, artifact_id, artifact.sha256, owner, str(expires), key_id)
        secret = self._session.get_one(Secret, SECRET).value
        message = "\n".join(part or "" for part in signed)
        return hmac.new(bytes.fromhex(secret), message.encode(), sha256).hexdigest()
