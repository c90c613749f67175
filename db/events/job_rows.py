"""Functions that read a job's row, change it with one conditional UPDATE, or record a job's events.

None of them commits.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import ColumnElement, Row, Select, Table, bindparam, func, insert, select, update
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import ReturningUpdate

from db.core.clock import now
from db.core.errors import JobNotFoundError
from db.core.states import HELD, JobState, Phase
from db.events.use_sums import count_status
from db.tables.base import Document
from db.tables.jobs import Job, JobEvent

_JOBS = cast("Table", Job.__table__)
JobRow = Row[*tuple[Any, ...]]
"""A job's row, with the attributes of a `Job`: to make that object takes six times as long."""
JobChange = ReturningUpdate[*tuple[Any, ...]]
"""An UPDATE of one job, which returns the new row."""


@dataclass(frozen=True)
class HeldJob:
    """The columns of a job's row that a worker's writes need; reading all takes far longer."""

    id: str
    status: JobState
    phase: Phase | None
    attempt: int
    progress: float
    block_index: int | None
    block_total: int | None
    block_name: str | None
    warnings: list[str]


def get_job(session: Session, job_id: str, *, locked: bool = False) -> Job:
    """Read the job's current row; with ``locked``, lock it until the transaction ends.

    Raises:
        JobNotFoundError: there is no such job.
    """
    job = session.get(Job, job_id, populate_existing=True, with_for_update=locked)
    if job is None:
        raise JobNotFoundError(job_id)
    return job


def change_job(
    session: Session,
    job_id: str,
    *where: ColumnElement[bool],
    values: Mapping[str, Any],
    versioned: bool = True,
) -> Job | None:
    """Update the job if all conditions hold, and return its new row; otherwise return None.

    Args:
        session: the caller's transaction.
        where: conditions on the job's row.
        values: the columns to set.
        versioned: whether to increment the job's version, which changes its ETag, and to set
            ``updated_at``. Pass False for changes that clients cannot see, such as the renewal of
            a lease.
    """
    change = change_of_job(*where, values=values, versioned=versioned)
    # Of an UPDATE of the mapped class, a copy would be made, and its cache key, at each execution.
    query = cast("Select[Job]", select(Job).from_statement(change))
    query = query.execution_options(populate_existing=True)
    return session.scalar(query, {"changed_job": job_id})


def change_of_job(
    *where: ColumnElement[bool], values: Mapping[str, Any], versioned: bool = True
) -> JobChange:
    """Return the UPDATE that `change_job` executes, for callers that build it once.

    `change_row` executes it.
    """
    if versioned:
        values = {**visible_change(), **values}
    this = _JOBS.c.id == bindparam("changed_job")
    return update(_JOBS).where(this, *where).values(**values).returning(*_JOBS.c)


def visible_change() -> dict[str, Any]:
    """Return the columns to set in any change that clients can see."""
    return {"version": Job.__table__.c.version + 1, "updated_at": now()}


def change_row(
    session: Session,
    change: JobChange,
    job_id: str,
    parameters: Mapping[str, Any] | None = None,
) -> JobRow | None:
    """Update the job as `change_job` does, but leave the session's objects as they are."""
    values = {"changed_job": job_id, **(parameters or {})}
    return session.connection().execute(change, values).one_or_none()


def record_event(
    session: Session, job: Job | HeldJob | JobRow, kind: str, data: Document | None = None
) -> None:
    """Insert the job's next event, and count what it changes in the daily sums of use.

    Call it after `change_job`: the row lock of that UPDATE prevents two transactions from using
    the same sequence number.
    """
    values = {
        "event_job": job.id,
        "event_kind": kind,
        "event_status": job.status,
        "event_phase": job.phase,
        "event_attempt": job.attempt,
        "event_data": data or {},
    }
    session.connection().execute(_INSERT_EVENT, values)
    # Of a new job, there is nothing to count.
    is_free = kind == "status" and job.status not in HELD
    if is_free and not isinstance(job, HeldJob) and job.version > 1:
        count_status(session, job)


_LAST = select(func.max(JobEvent.seq)).where(JobEvent.job_id == bindparam("event_job"))
_INSERT_EVENT = insert(cast("Table", JobEvent.__table__)).values(
    job_id=bindparam("event_job"),
    seq=func.coalesce(_LAST.scalar_subquery(), 0) + 1,
    kind=bindparam("event_kind"),
    status=bindparam("event_status"),
    phase=bindparam("event_phase"),
    attempt=bindparam("event_attempt"),
    data=bindparam("event_data"),
)
