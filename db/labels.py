"""What callers label jobs with, in an order that lists can walk along."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, ForeignKey, Index, String, delete, insert, select
from sqlalchemy.orm import Mapped, Session, aliased, mapped_column

from db.base import Base
from db.models import Job

Label = tuple[str, str]
"""A name and its value."""


class JobLabel(Base):
    """One label of one job: a copy out of the job's row, which lists find it by."""

    __tablename__ = "job_labels"
    __table_args__ = (Index("ix_job_labels_found", "name", "value", "created_at", "job_id"),)

    job_id: Mapped[str] = mapped_column(ForeignKey(Job.id, ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(String(63), primary_key=True)
    value: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime]


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
