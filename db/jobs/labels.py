"""What callers label jobs with, in an order that lists can walk along."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, delete, insert, select
from sqlalchemy.orm import Session, aliased

from db.tables.jobs import Job
from db.tables.labels import JobLabel, Label


def copy_labels(session: Session, job: Job) -> None:
    """Make the copies say what the job's row says."""
    session.execute(delete(JobLabel).where(JobLabel.job_id == job.id))
    rows = [
        {"job_id": job.id, "name": name, "value": value, "created_at": job.created_at}
        for name, value in job.labels.items()
    ]
    if rows:
        session.execute(insert(JobLabel), rows)


def is_labelled(labels: Sequence[Label]) -> list[ColumnElement[bool]]:
    """Return the condition for each label that a job must have."""
    conditions: list[ColumnElement[bool]] = []
    for name, value in labels:
        copy = aliased(JobLabel)
        said = (copy.job_id == Job.id, copy.name == name, copy.value == value)
        conditions.append(select(copy.job_id).where(*said).correlate(Job).exists())
    return conditions
