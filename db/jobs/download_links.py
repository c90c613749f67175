"""Signed links that allow the download of one file without an API key until they expire."""

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
"""Parts of the signed message: the link format's version and the HTTP method, which covers HEAD."""
SECRET = "links"  # noqa: S105 - its name
MAX_LIFETIME = timedelta(days=7)
_PATTERN = re.compile(
    rf"expires=([1-9][0-9]{{0,11}})(?:&key=({id_pattern('key')}))?&sig=([0-9a-f]{{64}})",
    re.ASCII,
)


@dataclass(frozen=True)
class Link:
    """A link to one file.

    Attributes:
        expires: the time of its expiry, in seconds since 1970.
        key_id: the API key that it was created with, whose revocation ends it; None without one.
    """

    artifact_id: str
    expires: int
    key_id: str | None
    signature: str = field(repr=False)

    @classmethod
    def parse(cls, artifact_id: str, query: str) -> Self:
        """Parse the query of a link, which must be in its issued form.

        Raises:
            BadLinkError: it is not.
        """
        if (match := _PATTERN.fullmatch(query)) is None:
            raise BadLinkError("it is not in its issued form")
        return cls(artifact_id, int(match[1]), match[2], match[3])

    @property
    def query(self) -> str:
        """The query string of its URL."""
        key = "" if self.key_id is None else f"&key={self.key_id}"
        return f"expires={self.expires}{key}&sig={self.signature}"


class LinkRepository:
    """Creates and verifies links, which are not stored."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def create(self, artifact_id: str, lifetime: timedelta, key_id: str | None) -> Link:
        """Create a link to an artifact.

        Raises:
            ArtifactNotFoundError: there is no such artifact.
        """
        at = self._session.scalars(select(now(lifetime))).one()
        expires = ceil(at.timestamp())
        return Link(artifact_id, expires, key_id, self._signature(artifact_id, expires, key_id))

    def check(self, link: Link) -> None:
        """Raise an error unless the link is valid.

        Raises:
            BadLinkError: its signature does not match, its file was deleted, or its key is invalid.
            ExpiredLinkError: it has expired.
        """
        try:
            signature = self._signature(link.artifact_id, link.expires, link.key_id)
        except ArtifactNotFoundError:
            raise BadLinkError("its signature does not match, or its file was deleted") from None
        if not hmac.compare_digest(signature, link.signature):
            raise BadLinkError("its signature does not match, or its file was deleted")
        if link.expires <= self._session.scalars(select(now())).one().timestamp():
            raise ExpiredLinkError("it has expired")
        if link.key_id is not None and not KeyRepository(self._session).is_live(link.key_id):
            raise BadLinkError("the API key that it was created with was revoked or has expired")

    def _signature(self, artifact_id: str, expires: int, key_id: str | None) -> str:
        artifact = ArtifactRepository(self._session).get(artifact_id)
        owner = JobRepository(self._session).get(artifact.job_id).created_by
        signed = (VERSION, METHOD, artifact_id, artifact.sha256, owner, str(expires), key_id)
        secret = self._session.get_one(Secret, SECRET).value
        message = "\n".join(part or "" for part in signed)
        return hmac.new(bytes.fromhex(secret), message.encode(), sha256).hexdigest()
