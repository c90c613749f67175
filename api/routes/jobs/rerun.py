"""The route that reruns a job with changes."""

from typing import Annotated

from fastapi import APIRouter, Body, Request, Response

from api.core.caller import CallerDep
from api.core.problem_response import ProblemError
from api.middleware.writers import WritingRoute
from api.routes.dependencies import DryRun, IdempotencyKey, JobId, SentJson, ServiceDep
from api.routes.own_trials import OWN_TRIAL
from api.schemas.jobs import JobDetail
from api.submission.idempotency import KeyedRequest
from api.submission.rerun_request import JobChanges
from api.submission.submit import NO_NEW_JOB, Submission, preview_response, replay, submit
from db.jobs.repository import JobRepository
from db.problems.resources import INVALID_STATE
from db.tables.trials import TRIAL

router = APIRouter(
    prefix="/v1/jobs/{job_id}", tags=["jobs"], route_class=WritingRoute, dependencies=[OWN_TRIAL]
)


@router.post("/rerun", status_code=201, response_model=JobDetail, responses=NO_NEW_JOB)
def rerun_job(
    job_id: JobId,
    service: ServiceDep,
    request: Request,
    caller: CallerDep,
    sent: SentJson,
    dry_run: DryRun,
    changes: Annotated[JobChanges | None, Body()] = None,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Submit a job again, with changes; the new job's ``parent_id`` is the id of the old job."""
    changes = changes or JobChanges({})
    keyed = KeyedRequest(request.url.path, changes, idempotency_key, caller.key_id, sent)
    # First: the parent may have been changed or deleted since.
    if not dry_run and (first := replay(service, keyed)) is not None:
        return first
    with service.sessions() as session:
        parent = JobRepository(session).get(job_id)
    if parent.method == TRIAL:
        reason = f"Job {job_id} answers a trial, which prunes nothing."
        hint = "POST the prompt to the trials of the tried job again."
        raise ProblemError(INVALID_STATE.problem(reason, hint=hint))
    submission = Submission(changes.applied_to(parent), keyed, job_id)
    return preview_response(service, submission) if dry_run else submit(service, submission)
