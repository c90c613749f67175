"""The use of storage: the sizes of the stored artifacts by model, by label, and in total."""

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.tables.artifacts import Artifact
from db.tables.jobs import Job
from db.tables.labels import JobLabel

MAX_LISTED = 20
"""How many models and labels are listed: those with the most bytes."""


@dataclass(frozen=True)
class Use:
    """The stored files of the jobs with one model, or with one label."""

    name: str
    jobs: int
    bytes: int


@dataclass(frozen=True)
class StorageUse:
    """The use of storage by artifacts.

    Attributes:
        pinned_bytes: the total size of the files of pinned jobs.
        models: the models with the most bytes, most first.
        labels: the labels with the most bytes, as ``name=value``; a job can have several.
    """

    artifacts: int
    artifact_bytes: int
    pinned_bytes: int
    models: list[Use]
    labels: list[Use]


def storage_use(session: Session) -> StorageUse:
    stored = select(Artifact.job_id, func.count().label("files"))
    stored = stored.add_columns(func.sum(Artifact.size_bytes).label("total"))
    each = stored.where(Artifact.deleted_by.is_(None)).group_by(Artifact.job_id).subquery()
    total = func.sum(each.c.total)
    listed = (func.count(), total)

    sums = select(func.sum(each.c.files), total, func.sum(each.c.total).filter(Job.pinned))
    files, size_bytes, pinned_bytes = session.execute(sums.join(Job, Job.id == each.c.job_id)).one()
    models = select(Job.model_key, *listed).join(each, each.c.job_id == Job.id)
    labels = select(JobLabel.name, JobLabel.value, *listed).join(
        each, each.c.job_id == JobLabel.job_id
    )
    models = models.group_by(Job.model_key).order_by(total.desc(), Job.model_key)
    labels = labels.group_by(JobLabel.name, JobLabel.value)
    labels = labels.order_by(total.desc(), JobLabel.name, JobLabel.value)
    return StorageUse(
        artifacts=int(files or 0),
        artifact_bytes=int(size_bytes or 0),
        pinned_bytes=int(pinned_bytes or 0),
        models=[
            Use(model, jobs, int(size))
            for model, jobs, size in session.execute(models.limit(MAX_LISTED))
        ],
        labels=[
            Use(f"{name}={value}", jobs, int(size))
            for name, value, jobs, size in session.execute(labels.limit(MAX_LISTED))
        ],
    )
