"""Schemas of storage use and of retention."""

from collections.abc import Sequence
from datetime import datetime
from typing import Self

from pydantic import BaseModel, Field

from api.schemas.fields import RequestModel, RowModel
from db.core.retention_rules import Deletion, RetentionRule, RetentionRules


class UseRead(RowModel):
    """The stored files of the jobs with one model, or with one label."""

    name: str = Field(description="The model, or the label as `name=value`.")
    jobs: int
    bytes: int


class StorageRead(BaseModel):
    """The use of storage by the files of finished jobs."""

    artifacts: int = Field(description="The number of files.")
    artifact_bytes: int
    pinned_bytes: int = Field(description="The size of the files of pinned jobs.")
    free_bytes: int | None = Field(
        description="How much the disk of these files can still hold; null for a bucket."
    )
    models: list[UseRead] = Field(description="The twenty models with the most bytes.")
    labels: list[UseRead] = Field(
        description="The twenty labels with the most bytes; a job can have several labels."
    )


class DeletionRead(BaseModel):
    """A job whose files a rule would delete."""

    job_id: str
    name: str | None
    model: str
    finished_at: datetime
    bytes: int
    rule: str
    reason: str

    @classmethod
    def of(cls, deletion: Deletion) -> Self:
        job = deletion.job
        return cls(
            job_id=job.id,
            name=job.name,
            model=job.model,
            finished_at=job.finished_at,
            bytes=job.size_bytes,
            rule=deletion.rule.name,
            reason=deletion.reason,
        )


class RetentionRead(BaseModel):
    """The rules, and what they would delete now."""

    rules: list[RetentionRule]
    jobs: int = Field(description="The number of jobs whose files would be deleted.")
    bytes: int = Field(description="The size of these files.")
    deletions: list[DeletionRead] = Field(
        description="The first of these jobs, in the order of the deletions."
    )

    @classmethod
    def of(cls, rules: Sequence[RetentionRule], plan: Sequence[Deletion], limit: int) -> Self:
        return cls(
            rules=list(rules),
            jobs=len(plan),
            bytes=sum(deletion.job.size_bytes for deletion in plan),
            deletions=[DeletionRead.of(deletion) for deletion in plan[:limit]],
        )


class RetentionPreview(RequestModel):
    """Rules to try."""

    rules: RetentionRules
