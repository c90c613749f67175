"""The claim of a job by a worker: a conditional UPDATE, which succeeds for one worker only."""

from collections.abc import Sequence
from datetime import timedelta
from functools import lru_cache

from sqlalchemy import BindParameter, bindparam, case, func, literal, or_, select, true
from sqlalchemy.orm import Session

from db.core.clock import now
from db.core.states import JobState
from db.events.job_rows import JobChange, JobRow, change_of_job, change_row, record_event
from db.events.transitions import IDLE, LEASE, entering, is_in, lease_fields
from db.scheduling.crashes import MAX_CRASHES, lost, starved, strikes
from db.scheduling.fair_shares import record_claim
from db.scheduling.pending_checks import awaits_check
from db.scheduling.sweep_concurrency import is_runnable, lock_sweep
from db.scheduling.transient_retries import is_due
from db.scheduling.worker_memory import has_memory_for_job
from db.scheduling.workers import is_draining
from db.tables.jobs import Job, Worker


class ClaimRepository:
    """Assigns jobs to workers; never commits."""

    def __init__(self, session: Session, *, lease: timedelta = LEASE) -> None:
        self._session, self._lease = session, lease

    def claim(
        self,
        job_id: str,
        worker: str,
        *,
        worker_id: str | None = None,
        queues: Sequence[str] = (),
    ) -> JobRow | None:
        """Start the next attempt at a job that is queued or whose worker was lost.

        Return None if the worker may not start the job now: for example because another worker
        holds it, because it is paused or has ended, because its retry delay is not over, because
        the planner has not checked it yet, because its sweep already runs the maximum number of
        jobs, or because the worker has too little memory for it.

        Args:
            job_id: the id of the job to claim.
            worker: the name of the process that will hold the job.
            worker_id: the id of the worker that the process belongs to. The worker's device is
                recorded in the job; a draining worker gets no job.
            queues: the queues that the worker serves; empty for any.
        """
        sweep_id = lock_sweep(self._session, job_id)
        claim = _claim(self._lease, sweep_id, tuple(queues))
        values = {"claimed_by": worker, "claimed_on": worker_id}
        job = change_row(self._session, claim, job_id, values)
        if job is not None:
            record_event(self._session, job, "status", {"worker": worker, "device": job.device})
            record_claim(self._session, job.created_by)
        return job


@lru_cache(maxsize=16)
def _claim(lease: timedelta, sweep_id: str | None, queues: tuple[str, ...]) -> JobChange:
    was_lost = lost(JobState.running)
    worker_id: BindParameter[str | None] = bindparam("claimed_on")
    crashed = was_lost & ~starved()
    return change_of_job(
        or_(is_in(JobState.queued), was_lost & or_(starved(), strikes() < MAX_CRASHES)),
        ~is_draining(worker_id),
        Job.queue.in_([literal(queue) for queue in queues]) if queues else true(),
        has_memory_for_job(worker_id),
        is_runnable(sweep_id) if sweep_id is not None else is_due() & ~awaits_check(),
        values=IDLE
        | entering(JobState.running)
        | {
            **lease_fields(lease),
            "attempt": Job.attempt + 1,
            "crashes": Job.crashes + case((crashed, 1), else_=0),
            "strikes": case((crashed, strikes()), else_=Job.strikes),
            "struck_at": case((crashed, now()), else_=Job.struck_at),
            "worker": bindparam("claimed_by"),
            "device": select(Worker.device).where(Worker.id == worker_id).scalar_subquery(),
            "started_at": func.coalesce(Job.started_at, now()),
            "eta_p50_s": None,
            "eta_p90_s": None,
        },
    )
