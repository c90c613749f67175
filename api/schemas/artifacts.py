"""The finished files of a job, and its figures."""

from datetime import UTC, datetime, timedelta
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, StrictInt

from db.jobs.download_links import LONGEST, Link
from db.tables.jobs import Artifact


class ArtifactRead(BaseModel):
    """One finished file."""

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
        description="What was wrong with its bytes then; such a file is not served (410)."
    )
    expires_at: datetime | None = None
    url: str

    @classmethod
    def of(cls, artifact: Artifact) -> Self:
        """Return the face of an artifact's row."""
        plain = {
            name: getattr(artifact, name)
            for name in cls.model_fields.keys() - {"expires_at", "url"}
        }
        return cls(url=f"/v1/artifacts/{artifact.id}/content", **plain)


class LinkRequest(BaseModel):
    """A link to a file."""

    model_config = ConfigDict(extra="forbid")

    expires_in: StrictInt = Field(
        default=3600,
        ge=1,
        le=int(LONGEST / timedelta(seconds=1)),
        description="For how many seconds it opens the file.",
    )


class LinkRead(BaseModel):
    """A link to a file that needs no key."""

    url: str = Field(description="Whoever has it may read the file; `GET`, `HEAD` and `Range`.")
    expires_at: datetime

    @classmethod
    def of(cls, link: Link) -> Self:
        """Return the face of a link."""
        url = f"/v1/artifacts/{link.artifact_id}/content?{link.query}"
        return cls(url=url, expires_at=datetime.fromtimestamp(link.expires, UTC))


class JobResult(BaseModel):
    """What a job that succeeded has measured and made."""

    job_id: str
    metrics: dict[str, Any]
    artifacts: list[ArtifactRead]
    archive: str = Field(description="All files as one tar.")
