"""Whose turn it is in a sweep that may run only so many of its points at once."""

from sqlalchemy import ColumnElement, case, func, or_, select
from sqlalchemy.orm import Session, aliased

from db.core.states import HELD, JobState
from db.scheduling.transient_retries import is_due
from db.tables.jobs import Job, Sweep

_UNDER_WAY = (JobState.queued, *sorted(HELD))


def has_turn(sweep_id: str | None = None) -> ColumnElement[bool]:
    """Whether a job may run now: it need not wait after a failure, and its sweep has room for it.

    Points take their turns in order: those that run and those that wait before this one must
    leave room for it.

    Args:
        sweep_id: the job's, where it is known; saves looking at all others.
    """
    one = aliased(Job)
    waits = case((one.status == JobState.queued, 1), else_=0)
    place = func.row_number().over(partition_by=one.sweep_id, order_by=(waits, one.sweep_point))
    points = select(one.id, place.label("place"), Sweep.max_parallel)
    points = points.join(Sweep, Sweep.id == one.sweep_id).where(one.status.in_(_UNDER_WAY))
    points = points.where(or_(one.status != JobState.queued, is_due(one)))
    if sweep_id is not None:
        points = points.where(one.sweep_id == sweep_id)
    each = points.subquery()
    in_turn = or_(each.c.max_parallel.is_(None), each.c.place <= each.c.max_parallel)
    return is_due() & or_(Job.sweep_id.is_(None), Job.id.in_(select(each.c.id).where(in_turn)))


def wait_for_turn(session: Session, job_id: str) -> str | None:
    """Let two claims in one limited sweep come one after the other, until the transaction ends.

    Each counts what runs, and would not see what the other has taken. SQLite has one writer at a
    time anyway. Returns the job's sweep, if it is a point of one.
    """
    # The job first, then its sweep: whoever holds a job already must not meet the other order.
    sweep_id = session.scalar(select(Job.sweep_id).where(Job.id == job_id).with_for_update())
    if sweep_id is not None:
        limited = select(Sweep.id).where(Sweep.id == sweep_id, Sweep.max_parallel.is_not(None))
        session.execute(limited.with_for_update())
    return sweep_id
