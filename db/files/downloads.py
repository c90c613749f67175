"""The times at which jobs' files were last downloaded, so that no rule deletes them meanwhile."""

from datetime import timedelta

from sqlalchemy import ColumnElement, and_, select
from sqlalchemy.orm import Session

from db.core.clock import now, was_set_back
from db.events.job_rows import change_job
from db.tables.jobs import Job

RECORD_EVERY = timedelta(minutes=1)
"""A download is recorded again only after this time."""
PROTECTED_FOR = timedelta(minutes=15)
"""How long after a recorded download no rule deletes the job's files."""


class DownloadRepository:
    """Records downloads of jobs' files; never commits."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def is_recorded(self, job_id: str) -> bool:
        """Whether a download of the job was recorded less than `RECORD_EVERY` ago."""
        recent = select(Job.id).where(Job.id == job_id, was_downloaded(RECORD_EVERY))
        return self._session.scalar(recent) is not None

    def record(self, job_id: str) -> None:
        """Record that a client downloads files of the job now."""
        change_job(self._session, job_id, values={"downloaded_at": now()}, versioned=False)


def was_downloaded(since: timedelta) -> ColumnElement[bool]:
    """Return SQL, never NULL, for whether a download was recorded less than ``since`` ago."""
    at = Job.downloaded_at
    return and_(at.is_not(None), at > now(-since), ~was_set_back(at))
