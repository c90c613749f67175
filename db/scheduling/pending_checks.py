"""Jobs that wait until the planner, which builds their model, has checked them."""

from datetime import timedelta

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from db.core.clock import CLOCK_TOLERANCE, now
from db.core.problem import Problem
from db.core.states import JobState
from db.events.job_rows import change_job, record_event
from db.events.transitions import entering
from db.tables.jobs import Estimate, Job

LONGEST = timedelta(minutes=5)
"""A job waits no longer for the planner; after that, a worker checks it when it starts."""
_RECENT = timedelta(minutes=1)
_UNSTARTED = (Job.status == JobState.queued, Job.attempt == 0)


def awaits_check() -> ColumnElement[bool]:
    """Return SQL for whether the planner has been asked about a new job and has not answered."""
    asked = select(Estimate.spec_digest).where(
        Estimate.finished_at.is_(None),
        Estimate.created_at > now(-LONGEST),
        Estimate.created_at <= now(CLOCK_TOLERANCE),  # later, if the clock was set back
    )
    return (Job.attempt == 0) & Job.spec_digest.in_(asked)


class CheckRepository:
    """Applies the planner's refusals to jobs that were accepted before it answered.

    It never commits.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def unstarted(self, estimate: Estimate, *where: ColumnElement[bool]) -> list[Job]:
        """Return the jobs that an estimate is for and that no worker has started."""
        query = select(Job).where(*_UNSTARTED, Job.spec_digest == estimate.spec_digest, *where)
        if estimate.created_by is not None:  # the secret is that of one key
            query = query.where(Job.created_by == estimate.created_by)
        return list(self._session.scalars(query))

    def apply_refusal(
        self, estimate: Estimate, problem: Problem, *where: ColumnElement[bool]
    ) -> list[str]:
        """Fail the jobs that no worker has started and that the planner refuses; return their ids.

        A problem that may pass fails no job.
        """
        if problem.status >= 500 or problem.retryable:
            return []
        ids = [job.id for job in self.unstarted(estimate, *where)]
        return [job_id for job_id in ids if self._fail(job_id, problem)]

    def refuse_if_known(self, job: Job) -> Job:
        """Fail a job that was just added if the planner has refused it in the meantime."""
        query = select(Estimate).where(
            Estimate.spec_digest == job.spec_digest,
            Estimate.error.is_not(None),
            Estimate.finished_at > now(-_RECENT),
        )
        latest = self._session.scalar(query.order_by(Estimate.created_at.desc()).limit(1))
        if latest is not None:
            self.apply_refusal(latest, Problem.model_validate(latest.error))
            self._session.refresh(job)
        return job

    def _fail(self, job_id: str, problem: Problem) -> bool:
        error = problem.model_dump(mode="json")
        values = entering(JobState.failed) | {"error": error}
        job = change_job(self._session, job_id, *_UNSTARTED, values=values)
        if job is None:
            return False
        record_event(self._session, job, "status", {"reason": "refused", "error": error})
        return True
