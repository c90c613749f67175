"""The route that cancels several jobs."""

from fastapi import APIRouter

from api.core.caller import Caller, CallerDep
from api.middleware.writers import WritingRoute
from api.routes.dependencies import ServiceDep
from api.schemas.jobs import CancelledJobs
from api.schemas.requests import MOST_CANCELLED, CancelFilter, CancelRequest
from api.services.service import Service
from db.core.errors import IllegalTransitionError, JobNotFoundError
from db.jobs.commands import JobCommands
from db.jobs.repository import JobRepository
from db.jobs.trials import TrialRepository

router = APIRouter(prefix="/v1/cancel", tags=["jobs"], route_class=WritingRoute)


@router.post("")
def cancel_jobs(body: CancelRequest, service: ServiceDep, caller: CallerDep) -> CancelledJobs:
    """Cancel several jobs, named by their ids or by a filter; repeating it changes nothing.

    All are cancelled, or none if the service fails. Jobs that have ended are left alone.
    """
    if body.filter is None:
        return _cancel(service, caller, list(dict.fromkeys(body.ids or ())))
    return _cancel_matching(service, caller, body.filter)


def _cancel_matching(service: Service, caller: Caller, wanted: CancelFilter) -> CancelledJobs:
    query = wanted.job_filter()
    if not query.statuses:  # of the filter, only states in which a job has ended
        return CancelledJobs(cancelled=[], ended=[], missing=[], has_more=False)
    with service.sessions() as session:
        jobs = JobRepository(session).page(query, limit=MOST_CANCELLED + 1, oldest_first=True)
    done = _cancel(service, caller, [job.id for job in jobs[:MOST_CANCELLED]])
    return done.model_copy(update={"has_more": len(jobs) > MOST_CANCELLED})


def _cancel(service: Service, caller: Caller, ids: list[str]) -> CancelledJobs:
    cancelled, ended, missing = list[str](), list[str](), list[str]()
    with service.sessions.begin() as session:
        jobs, trials, commands = (
            JobRepository(session),
            TrialRepository(session),
            JobCommands(session),
        )
        for job_id in ids:
            try:
                tried_by = trials.tried_by(jobs.get(job_id))
                if tried_by is not None and not caller.owns(tried_by.key_id):
                    raise JobNotFoundError(job_id)
                commands.cancel(job_id)
                cancelled.append(job_id)
            except JobNotFoundError:
                missing.append(job_id)
            except IllegalTransitionError:
                ended.append(job_id)
    return CancelledJobs(cancelled=cancelled, ended=ended, missing=missing, has_more=False)
