"""Routes of trials: prompts that the dense and the pruned model of a finished job continue."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from api.core.caller import CallerDep
from api.middleware.writers import WritingRoute
from api.routes.dependencies import IdempotencyKey, JobId, SentJson, ServiceDep, TrialId
from api.schemas.trials import TrialPage, TrialQuery, TrialRead
from api.submission.idempotency import KeyedRequest
from api.submission.trials import own_job, submit_trial
from api.web.cursors import paginate
from api.web.pagination import next_link
from db.core.errors import JobNotFoundError
from db.jobs.repository import JobRepository
from db.jobs.trials import TrialRepository
from db.scheduling.queues import QueueRepository
from db.spec.trials import TrialRequest

router = APIRouter(prefix="/v1/jobs/{job_id}/trials", tags=["jobs"], route_class=WritingRoute)


@router.post("", status_code=201, response_model=TrialRead)
def create_trial(
    job_id: JobId,
    body: TrialRequest,
    service: ServiceDep,
    request: Request,
    caller: CallerDep,
    sent: SentJson,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Have the dense and the pruned model of a finished job continue a prompt.

    A worker answers it as a job of its own, which is not listed among jobs: ``id`` is its id.
    """
    keyed = KeyedRequest(request.url.path, body, idempotency_key, caller.key_id, sent)
    return submit_trial(service, job_id, body, keyed, caller)


@router.get("")
def list_trials(
    job_id: JobId,
    service: ServiceDep,
    caller: CallerDep,
    response: Response,
    query: Annotated[TrialQuery, Query()],
) -> TrialPage:
    """List the trials of a job, newest first."""
    with service.sessions() as session:
        own_job(JobRepository(session).get(job_id), caller)
        trials, queues = TrialRepository(session), QueueRepository(session)
        rows = trials.page(job_id, limit=query.limit + 1, after=query.cursor)
        page, next_cursor = paginate(rows, query.limit, lambda row: row[1].id)
        data = [TrialRead.of(trial, job, queues.near_position(job)) for trial, job in page]
    if next_cursor is not None:
        query_args = {"limit": query.limit, "cursor": next_cursor}
        response.headers["link"] = next_link(f"/v1/jobs/{job_id}/trials", query_args)
    return TrialPage(data=data, next_cursor=next_cursor)


@router.get("/{trial_id}")
def get_trial(
    job_id: JobId, trial_id: TrialId, service: ServiceDep, caller: CallerDep
) -> TrialRead:
    """Return one trial; to wait for its answer, GET ``/v1/jobs/{trial_id}`` with ``Prefer``."""
    with service.sessions() as session:
        own_job(JobRepository(session).get(job_id), caller)
        trial = TrialRepository(session).get(trial_id)
        if trial is None or trial.tried_id != job_id:
            raise JobNotFoundError(trial_id)
        job = JobRepository(session).get(trial_id)
        return TrialRead.of(trial, job, QueueRepository(session).near_position(job))
