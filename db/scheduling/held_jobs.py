"""The jobs that workers hold, with the pace at which they advance."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.tables.jobs import Job, JobEvent

RECENT_STEPS = 9
"""The pace is averaged over this many recent reports, because one step may be unusually slow."""


@dataclass(frozen=True)
class HeldJob:
    """A job that a worker holds.

    Attributes:
        seconds_per_step: the mean time that its last blocks or recovery steps took; None until two
            of them are finished in its current attempt and phase.
    """

    job: Job
    seconds_per_step: float | None


def held_jobs(session: Session, ids: Iterable[str]) -> dict[str, HeldJob]:
    """Return the jobs with these ids, each with its pace, by id."""
    jobs = session.scalars(select(Job).where(Job.id.in_(list(ids))))
    return {job.id: HeldJob(job, _seconds_per_step(session, job)) for job in jobs}


def _seconds_per_step(session: Session, job: Job) -> float | None:
    query = select(JobEvent.at).where(
        JobEvent.job_id == job.id,
        JobEvent.kind == "progress",
        JobEvent.attempt == job.attempt,
        JobEvent.phase == job.phase,
    )
    times = session.scalars(query.order_by(JobEvent.seq.desc()).limit(RECENT_STEPS)).all()
    if len(times) < 2:
        return None
    return max(0.0, (times[0] - times[-1]).total_seconds()) / (len(times) - 1)
