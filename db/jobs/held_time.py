"""When workers held jobs, derived from the jobs' events, and kept when a job is deleted."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from db.core.clock import now
from db.core.states import HELD
from db.events.history import Change, Span, held_spans
from db.events.use_sums import COUNTED, changes_of, count, groups_of, sums_of, sums_of_spans
from db.tables.jobs import Job
from db.tables.past_attempts import PastAttempt


def held_time(changes: Iterable[Change], since: datetime, until: datetime) -> timedelta:
    """Return how long workers held a job between ``since`` and ``until``."""
    return sum(
        (_within(span, since, until) for span in held_spans(changes, until)), start=timedelta(0)
    )


def _within(span: Span, since: datetime, until: datetime) -> timedelta:
    start, end = max(span[0], since), min(span[1], until)
    return max(end - start, timedelta(0))


def may_be_held_since(moment: datetime) -> ColumnElement[bool]:
    """Return SQL for whether a worker can have held a job after ``moment``.

    A worker that reports nothing for a while leaves ``updated_at`` as it is.
    """
    return or_(Job.updated_at >= moment, Job.status.in_(HELD))


def held_times(
    session: Session, since: datetime, until: datetime, *where: ColumnElement[bool]
) -> dict[str, timedelta]:
    """Return how long workers held each job in a period that has begun, by the job's id.

    Jobs that meet the conditions are read, and those that no worker can have held are left out.
    """
    end = min(until, session.scalars(select(now())).one())
    changes = changes_of(session.connection(), *where, may_be_held_since(since))
    return {job_id: held_time(of_job, since, end) for job_id, of_job in changes.items()}


def keep_times(session: Session, *where: ColumnElement[bool]) -> None:
    """Keep when workers held the jobs that meet all conditions, before these are deleted."""
    # Locked, so that no attempt ends after its times have been read.
    jobs = session.execute(select(*COUNTED).where(*where).with_for_update()).all()
    present = session.scalars(select(now())).one()
    changes = changes_of(session.connection(), *where)
    for job in jobs:
        ended = changes.get(job.id, [])
        spans = list(held_spans(ended, present))
        for number, (start, end) in enumerate(spans):
            fields = {"created_by": job.created_by, "method": job.method}
            fields |= {"hourly_price": job.hourly_price, "started_at": start, "ended_at": end}
            session.add(PastAttempt(job_id=job.id, number=number, **fields))
        counted = sums_of(groups_of(job, job.labels), ended)
        count(session, sums_of_spans(groups_of(job), spans), counted)
