"""A dependency of routes of one job: it hides jobs that answer trials of other keys' jobs."""

from fastapi import Depends

from api.core.caller import CallerDep
from api.routes.dependencies import JobId, ServiceDep


async def _require_own_trial(job_id: JobId, service: ServiceDep, caller: CallerDep) -> None:
    await service.trial_owners.require_own(job_id, caller)


OWN_TRIAL = Depends(_require_own_trial)
