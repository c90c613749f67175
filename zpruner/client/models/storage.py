"""Responses about storage use and retention."""

from datetime import datetime
from typing import Any

from zpruner.client.models.jobs import ResponseModel


class Use(ResponseModel):
    """The stored files of the jobs with one model, or with one label (``name=value``)."""

    name: str
    jobs: int
    bytes: int


class StorageUse(ResponseModel):
    """The use of storage by the files of finished jobs.

    Attributes:
        free_bytes: how much the disk of these files can still hold; None for a bucket.
        models, labels: those with the most bytes, most first.
    """

    artifacts: int
    artifact_bytes: int
    pinned_bytes: int
    free_bytes: int | None = None
    models: list[Use] = []
    labels: list[Use] = []


class Deletion(ResponseModel):
    """A job whose files a retention rule would delete, and the reason."""

    job_id: str
    name: str | None = None
    model: str
    finished_at: datetime
    bytes: int
    rule: str
    reason: str


class Retention(ResponseModel):
    """Retention rules, and what they would delete now.

    Attributes:
        jobs, bytes: the number of jobs whose files would be deleted, and the size of these files.
        deletions: the first of these jobs, in the order of the deletions.
    """

    rules: list[dict[str, Any]]
    jobs: int
    bytes: int
    deletions: list[Deletion] = []
