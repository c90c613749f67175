"""Which workers have enough memory for a job.

A job may ask for memory, and then waits for a worker that has it. What its plan needs decides only
while another worker of its queue has that much: each worker makes its own plan, and may find one
that needs less.
"""

from sqlalchemy import BindParameter, ColumnElement, Text, cast, exists, func, or_, select
from sqlalchemy.orm import aliased

from db.core.states import HELD
from db.scheduling.workers import is_alive
from db.tables.jobs import Job, Worker

_Other, _Held = aliased(Worker), aliased(Job)


def has_memory_for_job(worker_id: BindParameter[str | None]) -> ColumnElement[bool]:
    """Return SQL for whether a worker has enough memory for a job.

    A worker of unknown memory takes any job but one that asks for memory.
    """
    own = select(Worker.memory_bytes).where(Worker.id == worker_id).scalar_subquery()
    as_asked = or_(Job.min_memory_bytes.is_(None), Job.min_memory_bytes <= own)
    planned = Job.planned_memory_bytes
    as_planned = or_(planned.is_(None), own.is_(None), planned <= own, ~exists().where(*_enough()))
    return as_asked & as_planned


def has_idle_worker() -> ColumnElement[bool]:
    """Return SQL for whether a worker that has enough memory for a job holds none."""
    held = exists().where(_Held.id == _Other.job_id, _Held.status.in_(HELD))
    return exists().where(*_enough(), ~held)


def _enough() -> tuple[ColumnElement[bool], ...]:
    queues = cast(_Other.queues, Text)
    return (
        is_alive(_Other),
        ~_Other.draining,
        func.replace(queues, '"' + Job.queue + '"', "") != queues,
        _Other.memory_bytes >= func.coalesce(Job.min_memory_bytes, 0),
        _Other.memory_bytes >= func.coalesce(Job.planned_memory_bytes, 0),
    )
