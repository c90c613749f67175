"""Jobs whose attempt failed for a reason that may pass: they wait, and are taken again."""

from typing import Any

from sqlalchemy import select

from db.core.clock import now
from db.core.problem import Problem
from db.core.states import JobState
from db.events.transitions import entering
from db.scheduling.delays import DELAYS
from db.scheduling.leases import LeaseRepository
from db.tables.jobs import Job


class RetryRepository(LeaseRepository):
    """The jobs in one session, as workers see them that cannot go on now."""

    def postpone(self, job_id: str, attempt: int, problem: Problem) -> Job:
        """Queue a job again, for later; fail it where it was tried often enough.

        One that was being paused or cancelled becomes that.

        Raises:
            LeaseLostError: another attempt holds the job, or it is over.
        """
        # Read first is safe here: only the one attempt behind the fence writes this.
        retries = self._session.scalar(select(Job.retries).where(Job.id == job_id)) or 0
        if retries >= len(DELAYS):
            return self.fail(job_id, attempt, problem)
        values = {"retries": retries + 1, "not_before": now(DELAYS[retries])}
        fence = (Job.attempt == attempt, Job.status == JobState.running)
        job = self._change(job_id, *fence, values=entering(JobState.queued) | values)
        if job is None:
            return self.yield_back(job_id, attempt)
        self._record(job, "status", _told(job, problem))
        return job


def _told(job: Job, problem: Problem) -> dict[str, Any]:
    when = job.not_before.isoformat() if job.not_before else None
    error = problem.model_dump(mode="json")
    return {"reason": "postponed", "error": error, "retries": job.retries, "not_before": when}
