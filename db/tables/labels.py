"""The table of job labels, by which lists are filtered."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from db.tables.base import Base
from db.tables.jobs import Job

Label = tuple[str, str]
"""A label's name and value."""


class JobLabel(Base):
    """One label of one job; an indexed copy of an entry in ``Job.labels``."""

    __tablename__ = "job_labels"
    __table_args__ = (Index("ix_job_labels_found", "name", "value", "created_at", "job_id"),)

    job_id: Mapped[str] = mapped_column(ForeignKey(Job.id, ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(String(63), primary_key=True)
    value: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime]
