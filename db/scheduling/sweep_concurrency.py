"""The limit on how many jobs of one sweep run at the same time."""

from functools import lru_cache

from sqlalchemy import ColumnElement, bindparam, func, or_, select
from sqlalchemy.orm import Session, aliased

from db.core.states import HELD, JobState
from db.events.transitions import is_in
from db.scheduling.pending_checks import awaits_check
from db.scheduling.transient_retries import is_due
from db.tables.jobs import Job, Sweep

_UNFINISHED = (JobState.queued, *sorted(HELD))


@lru_cache(maxsize=16)  # building it takes longer than the queries that use it
def is_runnable(sweep_id: str | None = None) -> ColumnElement[bool]:
    """Return SQL for whether a queued job may start now.

    A job may start once its retry delay is over, and the planner has checked it. If its sweep has a
    limit ``max_parallel``, the number of the sweep's jobs that come before this job must also be
    lower than the limit. The jobs that come before it are those that workers hold, and the queued
    ones that have an earlier point and whose retry delay is over.

    Args:
        sweep_id: the id of the job's sweep, if known, so that the query reads no other sweep.
    """
    job = aliased(Job)
    is_queued = is_in(JobState.queued, job=job)
    rank = func.row_number().over(partition_by=job.sweep_id, order_by=(is_queued, job.sweep_point))
    points = select(job.id, rank.label("rank"), Sweep.max_parallel)
    points = points.join(Sweep, Sweep.id == job.sweep_id).where(is_in(*_UNFINISHED, job=job))
    points = points.where(or_(~is_queued, is_due(job)))
    if sweep_id is not None:
        points = points.where(job.sweep_id == sweep_id)
    each = points.subquery()
    fits = or_(each.c.max_parallel.is_(None), each.c.rank <= each.c.max_parallel)
    return (
        is_due()
        & ~awaits_check()
        & or_(Job.sweep_id.is_(None), Job.id.in_(select(each.c.id).where(fits)))
    )


_SWEEP_OF = select(Job.sweep_id).where(Job.id == bindparam("job")).with_for_update()


def lock_sweep(session: Session, job_id: str) -> str | None:
    """Lock the job and its sweep until the transaction ends, and return the sweep's id, if any.

    A sweep without a limit ``max_parallel`` is not locked. With a limit, each claim counts the held
    jobs of the sweep, and without the lock, two concurrent claims would not count each other's job.
    """
    # The job is locked before its sweep, as in every other transaction, to avoid a deadlock.
    sweep_id = session.connection().scalar(_SWEEP_OF, {"job": job_id})
    if sweep_id is not None:
        limited = select(Sweep.id).where(Sweep.id == sweep_id, Sweep.max_parallel.is_not(None))
        session.execute(limited.with_for_update())
    return sweep_id
