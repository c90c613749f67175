"""A dependency of routes of one job: it hides jobs that answer trials of other keys' jobs."""

from fastapi import Depends

from api.deps import JobId, ServiceDep
from api.middleware.caller import CallerDep
from db.core.errors import JobNotFoundError


async def _require_own_trial(job_id: JobId, service: ServiceDep, caller: CallerDep) -> None:
    """Refuse a job that answers a trial of another key's job, as if there were no such job.

    Raises:
        JobNotFoundError: there is no such job, or the caller may not see it.
    """
    snapshot = await service.job_cache.current(job_id)
    if not snapshot.may_be_seen_by(caller):
        raise JobNotFoundError(job_id)


OWN_TRIAL = Depends(_require_own_trial)
