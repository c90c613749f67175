"""Copies of the jobs' labels in a separate table, indexed for lists that are filtered by label."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, bindparam, delete, insert, select
from sqlalchemy.orm import Session, aliased

from db.tables.jobs import Job
from db.tables.labels import JobLabel, Label


def sync_labels(session: Session, job: Job) -> None:
    """Update the copies of a job's labels to match its row."""
    session.execute(_DELETE, {"labelled": job.id})
    add_labels(session, job)


def add_labels(session: Session, job: Job) -> None:
    """Insert the copies of a new job's labels."""
    rows = [
        {"job_id": job.id, "name": name, "value": value, "created_at": job.created_at}
        for name, value in job.labels.items()
    ]
    if rows:
        session.execute(insert(JobLabel), rows)


_DELETE = (
    delete(JobLabel)
    .where(JobLabel.job_id == bindparam("labelled"))
    .execution_options(synchronize_session=False)
)


def label_conditions(labels: Sequence[Label]) -> list[ColumnElement[bool]]:
    """Return one SQL condition for each label that a job must have."""
    conditions: list[ColumnElement[bool]] = []
    for name, value in labels:
        copy = aliased(JobLabel)
        matches = (copy.job_id == Job.id, copy.name == name, copy.value == value)
        conditions.append(select(copy.job_id).where(*matches).correlate(Job).exists())
    return conditions
