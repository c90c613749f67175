"""The finished files of a job, and its figures."""

from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, Field

from db.models import Artifact


class ArtifactRead(BaseModel):
    """One finished file."""

    id: str
    job_id: str
    name: str
    size_bytes: int
    sha256: str
    media_type: str
    created_at: datetime
    expires_at: datetime | None = None
    url: str

    @classmethod
    def of(cls, artifact: Artifact) -> Self:
        """Return the face of an artifact's row."""
        plain = {
            name: getattr(artifact, name)
            for name in ("id", "job_id", "name", "size_bytes", "sha256", "media_type", "created_at")
        }
        return cls(url=f"/v1/artifacts/{artifact.id}/content", **plain)


class JobResult(BaseModel):
    """What a job that succeeded has measured and made."""

    job_id: str
    metrics: dict[str, Any]
    artifacts: list[ArtifactRead]
    archive: str = Field(description="All files as one tar.")
