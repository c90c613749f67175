"""When workers held jobs, derived from the jobs' events, and kept when a job is deleted."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import groupby

from sqlalchemy import ColumnElement, Select, or_, select
from sqlalchemy.orm import Session

from db.core.clock import now
from db.core.states import HELD, JobState
from db.tables.jobs import Job, JobEvent
from db.tables.past_attempts import PastAttempt

Span = tuple[datetime, datetime]
Changes = Iterable[tuple[datetime, JobState]]
"""The time and the new state of each of a job's transitions, oldest first."""


def held_spans(changes: Changes, until: datetime) -> Iterator[Span]:
    """Yield when workers held a job; a time that has not ended ends at ``until``.

    Attempts that follow each other without a pause are one time.
    """
    start = None
    for at, status in changes:
        if status in HELD:
            start = start or at
        elif start is not None:
            yield start, at
            start = None
    if start is not None:
        yield start, until


def held_time(changes: Changes, since: datetime, until: datetime) -> timedelta:
    """Return how long workers held a job between ``since`` and ``until``."""
    return sum(
        (_within(span, since, until) for span in held_spans(changes, until)), start=timedelta(0)
    )


def _within(span: Span, since: datetime, until: datetime) -> timedelta:
    start, end = max(span[0], since), min(span[1], until)
    return max(end - start, timedelta(0))


def transitions(*where: ColumnElement[bool]) -> Select[str, datetime, JobState]:
    """Return the query for the transitions of the jobs that meet all conditions.

    They are ordered by job and time.
    """
    query = select(JobEvent.job_id, JobEvent.at, JobEvent.status).join(Job).where(*where)
    return query.where(JobEvent.kind == "status").order_by(JobEvent.job_id, JobEvent.seq)


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
    changes = session.execute(transitions(*where, may_be_held_since(since), JobEvent.at < until))
    return {
        job_id: held_time(((row.at, row.status) for row in rows), since, end)
        for job_id, rows in groupby(changes, key=lambda row: row[0])
    }


def past_times(
    session: Session, since: datetime, until: datetime, *where: ColumnElement[bool]
) -> list[tuple[PastAttempt, timedelta]]:
    """Return the attempts at deleted jobs in a period, ordered by job, and how long each took."""
    query = select(PastAttempt).where(PastAttempt.ended_at > since, PastAttempt.started_at < until)
    rows = session.scalars(query.where(*where).order_by(PastAttempt.job_id, PastAttempt.number))
    return [(row, _within((row.started_at, row.ended_at), since, until)) for row in rows]


def keep_times(session: Session, *where: ColumnElement[bool]) -> None:
    """Keep when workers held the jobs that meet all conditions, before these are deleted."""
    present = session.scalars(select(now())).one()
    columns = select(Job.id, Job.created_by, Job.method, Job.hourly_price).where(*where)
    jobs = {job.id: job for job in session.execute(columns)}
    for job_id, rows in groupby(session.execute(transitions(*where)), key=lambda row: row[0]):
        changes = ((row.at, row.status) for row in rows)
        for number, (start, end) in enumerate(held_spans(changes, present)):
            fields = jobs[job_id]._asdict() | {"job_id": job_id}
            del fields["id"]
            session.add(PastAttempt(number=number, started_at=start, ended_at=end, **fields))
