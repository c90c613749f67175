"""Recovery of jobs whose broker message or worker was lost, and expiry of overdue jobs."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from functools import lru_cache
from typing import cast

from sqlalchemy import ColumnElement, Select, Table, bindparam, case, or_, select, update
from sqlalchemy.orm import Session

from db.core.clock import now, was_set_back
from db.core.states import FINAL, HELD, JobState
from db.events.job_events import IDS_AT_ONCE
from db.events.job_rows import JobChange, JobRow, change_of_job, change_row, record_event
from db.events.transitions import RETRIED, entering, is_in, leading_to, releasing
from db.problems.failures import WORKER_LOST
from db.problems.specification import DEADLINE_PASSED
from db.scheduling.crashes import MAX_CRASHES, lost, starved, strikes
from db.scheduling.sweep_concurrency import is_runnable
from db.scheduling.worker_memory import has_idle_worker
from db.tables.jobs import Job

PUSH_AGAIN_AFTER = timedelta(seconds=30)
_OVERDUE = "The job had not ended by its deadline."
_LOST = (
    f"The worker ended unexpectedly {MAX_CRASHES} times during this job, and no further block was "
    "finished in between."
)


class RecoveryRepository:
    """Reads and updates jobs for lease recovery and the relay; never commits."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def unpushed(self, limit: int = 100, queue: str | None = None) -> list[str]:
        """Return the ids of the jobs for which to send a broker message.

        These are the queued jobs that may start now and whose last message, if any, was sent more
        than `PUSH_AGAIN_AFTER` ago. They are ordered by priority and age. Their rows stay locked
        until the transaction ends, so that concurrent relays push different jobs.

        Args:
            limit: the maximum number of jobs.
            queue: the queue of the jobs; None for all queues.
        """
        query = _unpushed(has_queue=queue is not None)
        return list(self._session.connection().scalars(query, {"queue": queue, "most": limit}))

    def mark_pushed(self, ids: Sequence[str]) -> None:
        """Record that a broker message was just sent for each of these jobs.

        Jobs that are no longer queued are skipped.
        """
        if ids:
            self._session.connection().execute(_MARK_PUSHED, {"ids": list(ids)})

    def push_again(self, job_id: str) -> None:
        """Send another message for a waiting job soon, if a worker with enough memory is idle."""
        self._session.execute(_PUSH_AGAIN, {"job": job_id})

    def no_longer_retryable(self, ids: Iterable[str], kept: timedelta) -> set[str]:
        """Return those of the ids whose jobs can no longer be retried.

        Such a job was deleted, has succeeded, or ended longer ago than ``kept``.
        """
        wanted = set(ids)
        if not wanted:
            return wanted
        values = {"ids": sorted(wanted)}
        return wanted - set(self._session.connection().scalars(_retryable(kept), values))

    def missing(self, ids: Iterable[str]) -> set[str]:
        """Return the ids for which there is no job."""
        wanted = list(ids)
        existing: set[str] = set()
        for start in range(0, len(wanted), IDS_AT_ONCE):
            some = wanted[start : start + IDS_AT_ONCE]
            existing |= set(self._session.scalars(select(Job.id).where(Job.id.in_(some))))
        return set(wanted) - existing

    def expire_overdue(self) -> list[JobRow]:
        """Mark as expired all jobs whose deadline has passed, and return them.

        A worker that holds one of them gets `LeaseLostError` at its next write.
        """
        ids = list(self._session.connection().scalars(_ids_of_overdue()))
        changes = [change_row(self._session, _expire(), job_id) for job_id in ids]
        expired = [job for job in changes if job is not None]
        for job in expired:
            record_event(self._session, job, "status", {"reason": "deadline", "error": job.error})
        return expired

    def held_by(self, worker: str) -> list[str]:
        """Return the ids of the jobs that a worker process holds; normally, at most one."""
        return list(self._session.connection().scalars(_HELD_BY, {"holder": worker}))

    def held_on(self, hostname: str) -> list[tuple[str, str]]:
        """Return the jobs that worker processes on a host hold: each job's id and process name."""
        held = (Job.status.in_(HELD), Job.worker.startswith(f"{hostname}/", autoescape=True))
        rows = self._session.execute(select(Job.id, Job.worker).where(*held))
        return [(job_id, worker or "") for job_id, worker in rows]

    def release_expired(self) -> list[JobRow]:
        """Release all jobs whose lease has expired, and return them.

        A running job is queued again, or fails if it has now reached `MAX_CRASHES` strikes (see
        `strikes`). No crash is counted if its process was only `starved`. A job that was being
        paused or cancelled becomes paused or cancelled.
        """
        lost_jobs = self._session.connection().execute(_lost_jobs()).all()
        released = [
            (self._release_starved(job_id) if is_starved else None)
            or (self._fail_at_last_crash(job_id) if is_last_crash else None)
            or self._release(job_id)
            for job_id, is_starved, is_last_crash in lost_jobs
        ]
        return [job for job in released if job is not None]

    def release_lost(self, job_id: str, worker: str) -> JobRow | None:
        """Release a job of a worker that has crashed, without waiting for its lease to expire."""
        change_row(self._session, _end_lease(), job_id, {"holder": worker})
        return self._fail_at_last_crash(job_id) or self._release(job_id)

    def release_all(self) -> list[JobRow]:
        """Release all held jobs of a restored database, which their workers know nothing of.

        No crash is counted.
        """
        ids = list(self._session.scalars(select(Job.id).where(is_in(*HELD))))
        change = change_of_job(is_in(*HELD), values=releasing())
        released = [change_row(self._session, change, job_id) for job_id in ids]
        jobs = [job for job in released if job is not None]
        for job in jobs:
            record_event(self._session, job, "status", {"reason": "restored"})
        return jobs

    def _release_starved(self, job_id: str) -> JobRow | None:
        job = change_row(self._session, _release_starved(), job_id)
        if job is not None:
            record_event(self._session, job, "status", {"reason": "worker_starved"})
        return job

    def _release(self, job_id: str) -> JobRow | None:
        job = change_row(self._session, _release_lost(), job_id)
        if job is not None:
            record_event(
                self._session, job, "status", {"reason": "worker_lost", "crashes": job.crashes}
            )
        return job

    def _fail_at_last_crash(self, job_id: str) -> JobRow | None:
        job = change_row(self._session, _fail_lost(), job_id)
        if job is not None:
            data = {"reason": "worker_lost", "error": job.error}
            record_event(self._session, job, "status", data)
        return job


_JOBS = cast("Table", Job.__table__)
_PUSH_AGAIN = (
    update(_JOBS)
    .where(_JOBS.c.id == bindparam("job"), is_in(JobState.queued), has_idle_worker())
    .values(pushed_at=None)
)
_HELD_BY = select(_JOBS.c.id).where(is_in(*HELD), _JOBS.c.worker == bindparam("holder"))
_MARK_PUSHED = (
    update(_JOBS)
    .where(_JOBS.c.id.in_(bindparam("ids", expanding=True)), is_in(JobState.queued))
    .values(pushed_at=now())
)


@lru_cache
def _unpushed(*, has_queue: bool) -> Select[str]:
    to_push = or_(
        Job.pushed_at.is_(None), Job.pushed_at < now(-PUSH_AGAIN_AFTER), was_set_back(Job.pushed_at)
    )
    query = select(Job.id).where(is_in(JobState.queued), to_push, is_runnable())
    query = query.where(Job.queue == bindparam("queue")) if has_queue else query
    query = query.order_by(Job.priority.desc(), Job.created_at, Job.id).limit(bindparam("most"))
    return query.with_for_update(skip_locked=True, of=Job)


@lru_cache
def _retryable(kept: timedelta) -> Select[str]:
    recent = is_in(*sorted(RETRIED)) & (Job.finished_at > now(-kept))
    some = Job.id.in_(bindparam("ids", expanding=True))
    return select(Job.id).where(some, or_(~is_in(*sorted(FINAL)), recent))


@lru_cache
def _overdue() -> ColumnElement[bool]:
    return is_in(*leading_to(JobState.expired)) & (Job.deadline < now())


@lru_cache
def _ids_of_overdue() -> Select[str]:
    return select(Job.id).where(_overdue())


@lru_cache
def _expire() -> JobChange:
    error = DEADLINE_PASSED.problem(_OVERDUE).model_dump(mode="json")
    return change_of_job(_overdue(), values=entering(JobState.expired) | {"error": error})


@lru_cache
def _lost_jobs() -> Select[str, bool, bool]:
    """Return the query of the lost jobs: whether each was starved, and whether it has to fail.

    Each is locked until the transaction ends, so that few of the further conditions fail.
    """
    is_starved, is_last_crash = starved(), strikes() >= MAX_CRASHES
    found = select(Job.id, is_starved, is_last_crash).where(lost(*HELD))
    return found.with_for_update(skip_locked=True, of=Job)


@lru_cache
def _end_lease() -> JobChange:
    held = (Job.worker == bindparam("holder"), is_in(*HELD))
    return change_of_job(*held, values={"lease_until": now(-timedelta(seconds=1))}, versioned=False)


@lru_cache
def _release_starved() -> JobChange:
    return change_of_job(lost(JobState.running), starved(), values=releasing())


@lru_cache
def _release_lost() -> JobChange:
    ran = is_in(JobState.running)
    values = releasing() | {
        "crashes": Job.crashes + case((ran, 1), else_=0),
        "strikes": case((ran, strikes()), else_=Job.strikes),
        "struck_at": case((ran, now()), else_=Job.struck_at),
    }
    return change_of_job(lost(*HELD), values=values)


@lru_cache
def _fail_lost() -> JobChange:
    error = WORKER_LOST.problem(_LOST).model_dump(mode="json")
    values = entering(JobState.failed) | {"error": error}
    values |= {"crashes": Job.crashes + 1, "strikes": strikes()}
    return change_of_job(lost(JobState.running), strikes() >= MAX_CRASHES, values=values)
