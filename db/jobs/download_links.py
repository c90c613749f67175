"""Signed links to one file of a job, or to an archive of all its files.

A link allows the download without an API key until the link expires.
"""

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
from db.core.access_errors import BadLinkError, ExpiredLinkError
from db.core.clock import now
from db.core.digests import digest
from db.core.errors import NoArtifactsError, NotFoundError
from db.core.ids import id_pattern
from db.files.artifacts import ArtifactRepository
from db.jobs.repository import JobRepository
from db.tables.access import Secret

VERSION, METHOD = "1", "GET"
"""Parts of the signed message: the version of the link format, and the HTTP method.

A HEAD request is verified with the same message.
"""
SECRET = "links"  # noqa: S105 - its name
ARCHIVES = "job_"
"""The prefix of job ids; if the target is a job id, the link is to that job's archive."""
MAX_LIFETIME = timedelta(days=7)
_PATTERN = re.compile(
    rf"expires=([1-9][0-9]{{0,11}})(?:&key=({id_pattern('key')}))?&sig=([0-9a-f]{{64}})"
    r"(&format=(?:plain|zstd|compact))?",
    re.ASCII,
)


@dataclass(frozen=True)
class Link:
    """A link to one file, or to the archive of a job.

    Attributes:
        target: the id of the artifact, or of the job.
        expires: the time when the link expires, in seconds since 1970.
        key_id: the id of the API key that the link was created with; None if it was created
            without one. The link stops being valid when this key is revoked or expires.
    """

    target: str
    expires: int
    key_id: str | None
    signature: str = field(repr=False)

    @classmethod
    def parse(cls, target: str, query: str) -> Self:
        """Parse the query string of a link; it must have exactly the form that `query` returns.

        Only the archive's format may follow, which the signature leaves open.

        Raises:
            BadLinkError: the query string has another form.
        """
        match = _PATTERN.fullmatch(query)
        if match is None or (match[4] and not target.startswith(ARCHIVES)):
            raise BadLinkError("it is not in its issued form")
        return cls(target, int(match[1]), match[2], match[3])

    @property
    def path(self) -> str:
        """The path of the link's URL."""
        if self.target.startswith(ARCHIVES):
            return f"/v1/jobs/{self.target}/archive"
        return f"/v1/artifacts/{self.target}/content"

    @property
    def query(self) -> str:
        """The query string of the link's URL."""
        key = "" if self.key_id is None else f"&key={self.key_id}"
        return f"expires={self.expires}{key}&sig={self.signature}"


class LinkRepository:
    """Creates and verifies links, which are not stored."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def create(self, target: str, lifetime: timedelta, key_id: str | None) -> Link:
        """Create a link to an artifact, or to the archive of a job.

        Raises:
            ArtifactNotFoundError, JobNotFoundError: there is no such artifact or job.
            NoArtifactsError: the job has no files.
        """
        at = self._session.scalars(select(now(lifetime))).one()
        expires = ceil(at.timestamp())
        return Link(target, expires, key_id, self._signature(target, expires, key_id))

    def check(self, link: Link) -> None:
        """Raise an error unless the link is valid.

        Raises:
            BadLinkError: the signature does not match, the files were deleted, or the API key that
                the link was created with is no longer valid.
            ExpiredLinkError: the link has expired.
        """
        try:
            signature = self._signature(link.target, link.expires, link.key_id)
        except (NotFoundError, NoArtifactsError):
            raise BadLinkError("its signature does not match, or its file was deleted") from None
        if not hmac.compare_digest(signature, link.signature):
            raise BadLinkError("its signature does not match, or its file was deleted")
        if link.expires <= self._session.scalars(select(now())).one().timestamp():
            raise ExpiredLinkError("it has expired")
        if link.key_id is not None and not KeyRepository(self._session).is_live(link.key_id):
            raise BadLinkError("the API key that it was created with was revoked or has expired")

    def _signature(self, target: str, expires: int, key_id: str | None) -> str:
        content, owner = self._content(target)
        signed = (VERSION, METHOD, target, content, owner, str(expires), key_id)
        secret = self._session.get_one(Secret, SECRET).value
        message = "\n".join(part or "" for part in signed)
        return hmac.new(bytes.fromhex(secret), message.encode(), sha256).hexdigest()

    def _content(self, target: str) -> tuple[str, str | None]:
        """Return the digest of a target's content, and the ``created_by`` of its job."""
        if not target.startswith(ARCHIVES):
            artifact = ArtifactRepository(self._session).get(target)
            return artifact.sha256, JobRepository(self._session).get(artifact.job_id).created_by
        job = JobRepository(self._session).get(target)
        if not (artifacts := ArtifactRepository(self._session).of_job(target)):
            raise NoArtifactsError(target, job.status)
        return digest({artifact.name: artifact.sha256 for artifact in artifacts}), job.created_by
