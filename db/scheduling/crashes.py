"""Which workers are lost, and how many of them a job may lose."""

from datetime import timedelta

from sqlalchemy import ColumnElement, case, or_, select
from sqlalchemy.orm import Session

from db.core.clock import now, was_set_back
from db.core.states import JobState
from db.tables.jobs import BlockReport, Job

MAX_CRASHES = 3
"""How many workers a job may lose within ``CRASHES_WITHIN`` without finishing a block between."""
CRASHES_WITHIN = timedelta(days=1)


def lost(*states: JobState) -> ColumnElement[bool]:
    """Whether the job is in one of the states and its worker has been silent for too long.

    A lease that seems to begin in the future was given before the clock was set back: it counts
    as over, for nobody knows how long it has lasted.
    """
    return Job.status.in_(states) & or_(Job.lease_until < now(), was_set_back(Job.leased_at))


def strikes() -> ColumnElement[int]:
    """Return SQL for how many crashes count against a job whose worker is lost now."""
    return case((Job.struck_at < now(-CRASHES_WITHIN), 1), else_=Job.strikes + 1)


def is_repeated(session: Session, job_id: str, attempt: int, index: int) -> bool:
    """Whether an earlier attempt has finished this block, so that this one may just repeat it."""
    earlier = (BlockReport.job_id == job_id, BlockReport.attempt < attempt)
    query = select(BlockReport.index).where(*earlier, BlockReport.index >= index)
    return session.scalar(query.limit(1)) is not None
