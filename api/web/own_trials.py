"""A dependency of routes of one job: it hides jobs that answer trials of other keys' jobs."""

from fastapi import Depends

from api.deps import JobId, ServiceDep
from api.middleware.caller import CallerDep


async def _require_own_trial(job_id: JobId, service: ServiceDep, caller: CallerDep) -> None:
    await service.trial_owners.require_own(job_id, caller)


OWN_TRIAL = Depends(_require_own_trial)
