"""When a worker counts as lost, and how many lost workers make a job fail."""

from datetime import timedelta

from sqlalchemy import ColumnElement, case, or_, select
from sqlalchemy.orm import Session

from db.core.clock import now, was_set_back
from db.core.states import JobState
from db.tables.jobs import BlockReport, Job

MAX_CRASHES = 3
"""How many workers a job may lose within `CRASHES_WITHIN` without finishing a further block."""
CRASHES_WITHIN = timedelta(days=1)


def lost(*states: JobState) -> ColumnElement[bool]:
    """Return SQL for whether the job is in one of the states and its lease has expired.

    A lease that begins in the future was granted before the clock was set back. It counts as
    expired, because its age is unknown.
    """
    return Job.status.in_(states) & or_(Job.lease_until < now(), was_set_back(Job.leased_at))


def strikes() -> ColumnElement[int]:
    """Return SQL for a job's strikes once its worker is lost; strikes older than a day lapse."""
    return case((Job.struck_at < now(-CRASHES_WITHIN), 1), else_=Job.strikes + 1)


def is_repeated(session: Session, job_id: str, attempt: int, index: int) -> bool:
    """Return whether an earlier attempt has already finished this block or a later one."""
    earlier = (BlockReport.job_id == job_id, BlockReport.attempt < attempt)
    query = select(BlockReport.index).where(*earlier, BlockReport.index >= index)
    return session.scalar(query.limit(1)) is not None
