"""Labels of jobs, copied out of their rows so that lists find jobs by them."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from db.tables.base import Base
from db.tables.jobs import Job

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
