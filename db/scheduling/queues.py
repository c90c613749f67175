"""Queries on the queues: the next job to claim, the position of a job, and the queues' lengths."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from sqlalchemy import Select, bindparam, case, exists, func, literal, or_, select
from sqlalchemy.orm import Session

from db.core.clock import now
from db.core.states import HELD, JobState
from db.events.transitions import is_in
from db.scheduling.crashes import lost
from db.scheduling.fair_shares import Conditions, claim_order, count_ahead
from db.scheduling.pending_checks import awaits_check
from db.scheduling.sweep_concurrency import is_runnable
from db.scheduling.transient_retries import is_due
from db.scheduling.worker_memory import has_memory_for_job
from db.tables.jobs import Job

MAX_POSITION = 1000


@dataclass(frozen=True)
class QueueDepth:
    """The numbers of queued and of held jobs in one queue, and the age of its oldest queued job.

    Attributes:
        queued: the number of queued jobs, without the postponed ones.
        postponed: the number of queued jobs that wait for a time, before they wait for a worker.
        running: the number of jobs that workers hold.
        oldest_queued_at: when the oldest queued job was created; None if no job is queued.
        oldest_age_s: how many seconds ago the oldest queued job was created, by the database's
            clock; None if no job is queued.
    """

    queued: int = 0
    running: int = 0
    postponed: int = 0
    oldest_queued_at: datetime | None = None
    oldest_age_s: float | None = None


class QueueRepository:
    """Reads the queued jobs."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def next_job(self, queues: Sequence[str], worker_id: str | None = None) -> str | None:
        """Return the id of the job to claim next: by priority, then by fair shares, then by age.

        A job for which the worker has too little memory is left to others. The row stays locked
        until the transaction ends, so that two workers get different jobs.
        """
        given = {"claimed_on": worker_id}
        for own, values in claim_order(self._session, _waiting(tuple(queues)), given):
            if (job_id := self._session.connection().scalar(_oldest(own), values)) is not None:
                return job_id
        return None

    def has_runnable(
        self, queues: Sequence[str], job_id: str | None = None, worker_id: str | None = None
    ) -> bool:
        """Return whether the worker may start any job of these queues now, or the job was lost."""
        values = {"job": job_id, "claimed_on": worker_id}
        return bool(self._session.connection().scalar(_has_runnable(tuple(queues)), values))

    def runnable_counts(self) -> dict[str, int]:
        """Return the number of jobs that may start now, by queue."""
        return dict(self._session.connection().execute(_RUNNABLE_COUNTS).all())

    def position(self, job: Job) -> int | None:
        """Return the job's position in its queue, from 1; None if it does not wait for a worker."""
        return 1 + count_ahead(self._session, job, None) if self._waits(job) else None

    def near_position(self, job: Job) -> int | None:
        """Return the job's position as `position` does, or None beyond `MAX_POSITION`.

        The jobs of each key are counted up to `MAX_POSITION`, however long the queue is.
        """
        if not self._waits(job):
            return None
        ahead = count_ahead(self._session, job, MAX_POSITION)
        return None if ahead == MAX_POSITION else 1 + ahead

    def _waits(self, job: Job) -> bool:
        """Return whether the job is queued, and not postponed."""
        if job.status != JobState.queued or job.not_before is None:
            return job.status == JobState.queued
        return bool(self._session.scalar(_IS_DUE, {"job": job.id}))

    def queue_of(self, job_id: str) -> str | None:
        """Return the name of a job's queue; None without such a job, or while it awaits a check."""
        return self._session.connection().scalar(_QUEUE_OF, {"job": job_id})

    def depths(self) -> dict[str, QueueDepth]:
        """Return the depth of each queue with queued or held jobs, by the queue's name."""
        held = self._session.execute(
            select(Job.queue, func.count()).where(Job.status.in_(HELD)).group_by(Job.queue)
        )
        running: dict[str, int] = dict(held.all())
        oldest = func.min(case((is_due(), Job.created_at)), type_=Job.created_at.type)
        due = func.count(case((is_due(), 1)))
        query = select(Job.queue, due, func.count() - due, oldest, now())
        query = query.where(Job.status == JobState.queued).group_by(Job.queue)
        depths = {queue: QueueDepth(running=count) for queue, count in running.items()}
        for queue, queued, postponed, first, moment in self._session.execute(query):
            age_s = None if first is None else max(0.0, (moment - first).total_seconds())
            depths[queue] = QueueDepth(queued, running.get(queue, 0), postponed, first, age_s)
        return depths


_RUNNABLE_COUNTS = (
    select(Job.queue, func.count()).where(is_in(JobState.queued), is_runnable()).group_by(Job.queue)
)
_THIS = Job.id == bindparam("job")
_IS_DUE = select(exists().where(_THIS, is_due()))
_QUEUE_OF = select(Job.queue).where(_THIS, ~awaits_check())


@lru_cache(maxsize=64)
def _waiting(queues: tuple[str, ...]) -> Conditions:
    """Return the conditions for a job of these queues that a worker may start now."""
    served = Job.queue.in_([literal(queue) for queue in queues])
    has_memory = has_memory_for_job(bindparam("claimed_on"))
    return is_in(JobState.queued), served, is_runnable(), has_memory


@lru_cache(maxsize=64)
def _has_runnable(queues: tuple[str, ...]) -> Select[bool]:
    was_lost = exists().where(_THIS, lost(JobState.running))
    return select(or_(was_lost, exists().where(*_waiting(queues))))


@lru_cache(maxsize=64)
def _oldest(waiting: Conditions) -> Select[str]:
    oldest = select(Job.id).where(*waiting).order_by(Job.created_at, Job.id).limit(1)
    return oldest.with_for_update(skip_locked=True, of=Job)
