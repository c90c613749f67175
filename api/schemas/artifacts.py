"""Schemas of artifacts, download links and results."""

from datetime import UTC, datetime, timedelta
from typing import Any, Self

from pydantic import BaseModel, Field, StrictInt

from api.schemas.fields import RequestModel
from api.schemas.history import Cost
from db.jobs.download_links import MAX_LIFETIME, Link
from db.tables.artifacts import Artifact


class ArtifactRead(BaseModel):
    """A finished file of a job."""

    id: str
    job_id: str
    name: str
    size_bytes: int
    sha256: str
    media_type: str
    created_at: datetime
    checked_at: datetime | None = Field(
        description="When its bytes were last compared with `sha256`."
    )
    damage: str | None = Field(
        description="Why that check failed; a damaged file is not served (410)."
    )
    deleted_at: datetime | None = Field(
        description="When a retention rule deleted it; a deleted file is not served (410)."
    )
    deleted_by: str | None = Field(description="The name of that rule.")
    expires_at: datetime | None = None
    url: str

    @classmethod
    def of(cls, artifact: Artifact) -> Self:
        plain = {
            name: getattr(artifact, name)
            for name in cls.model_fields.keys() - {"expires_at", "url"}
        }
        return cls(url=f"/v1/artifacts/{artifact.id}/content", **plain)


class LinkRequest(RequestModel):
    """A request for a download link."""

    expires_in: StrictInt = Field(
        default=3600,
        ge=1,
        le=int(MAX_LIFETIME / timedelta(seconds=1)),
        description="For how many seconds the link is valid.",
    )


class LinkRead(BaseModel):
    """A link with which a file or an archive can be downloaded without a key."""

    url: str = Field(
        description="Anyone who has it can download the file, with `GET`, `HEAD` and `Range`, or "
        "the archive, with `GET` and `HEAD`, also with `&format=zstd` after it."
    )
    expires_at: datetime

    @classmethod
    def of(cls, link: Link) -> Self:
        url = f"{link.path}?{link.query}"
        return cls(url=url, expires_at=datetime.fromtimestamp(link.expires, UTC))


class JobResult(BaseModel):
    """The metrics and files of a job that has succeeded."""

    job_id: str
    metrics: dict[str, Any]
    warnings: list[str] = Field(description="What to know before the metrics are used.")
    cost: Cost | None = Field(
        default=None, description="What its attempts cost; null if its queue has no price."
    )
    artifacts: list[ArtifactRead]
    archive: str = Field(description="All files as one tar archive.")
