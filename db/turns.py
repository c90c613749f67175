"""Whose turn it is in a sweep that may run only so many of its points at once."""

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session, aliased

from db.models import Job, Sweep
from db.states import HELD, JobState


def has_turn() -> ColumnElement[bool]:
    """Whether a job may run as far as its sweep is concerned.

    Points take their turns in order: those that run and those that wait before this one must
    leave room for it.
    """
    other = aliased(Job)
    runs = other.status.in_(HELD) & (other.id != Job.id)
    waits_before = (other.status == JobState.queued) & (other.sweep_point < Job.sweep_point)
    ahead = select(func.count()).where(other.sweep_id == Job.sweep_id, runs | waits_before)
    limit = select(Sweep.max_parallel).where(Sweep.id == Job.sweep_id).scalar_subquery()
    return or_(
        Job.sweep_id.is_(None),
        limit.is_(None),
        ahead.correlate(Job).scalar_subquery() < limit,
    )


def wait_for_turn(session: Session, job_id: str) -> None:
    """Let two claims in one limited sweep come one after the other, until the transaction ends.

    Each counts what runs, and would not see what the other has taken. SQLite has one writer at a
    time anyway.
    """
    # The job first, then its sweep: whoever holds a job already must not meet the other order.
    sweep_id = session.scalar(select(Job.sweep_id).where(Job.id == job_id).with_for_update())
    if sweep_id is not None:
        limited = select(Sweep.id).where(Sweep.id == sweep_id, Sweep.max_parallel.is_not(None))
        session.execute(limited.with_for_update())
