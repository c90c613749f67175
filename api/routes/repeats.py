"""Jobs once more: another attempt, or another job."""

from typing import Annotated

from fastapi import APIRouter, Body, Request, Response

from api.caller import CallerDep
from api.changes import JobChanges
from api.deps import DryRun, IdempotencyKey, JobId, ServiceDep
from api.preconditions import etag_of, wanted_version
from api.schemas import JobRead
from api.submission import NOTHING_NEW, Submission, preview, push, submit
from db.jobs import JobRepository

router = APIRouter(prefix="/v1/jobs/{job_id}", tags=["jobs"])


@router.post("/retry")
def retry_job(job_id: JobId, service: ServiceDep, request: Request, response: Response) -> JobRead:
    """Queue a job again that failed, was cancelled or expired."""
    version = wanted_version(request, job_id)
    with service.sessions.begin() as session:
        jobs = JobRepository(session)
        jobs.require_room(jobs.get(job_id).created_by)
        job = jobs.retry(job_id, version=version)
    push(service, job.id)
    response.headers["etag"] = etag_of(job)
    return JobRead.of(job)


@router.post("/rerun", status_code=201, response_model=JobRead, responses=NOTHING_NEW)
def rerun_job(
    job_id: JobId,
    service: ServiceDep,
    request: Request,
    caller: CallerDep,
    changes: Annotated[JobChanges | None, Body()] = None,
    idempotency_key: IdempotencyKey = None,
    dry_run: DryRun = False,
) -> Response:
    """Submit a job once more, with changes; the new one names it as ``parent_id``."""
    with service.sessions() as session:
        parent = JobRepository(session).get(job_id)
    body = (changes or JobChanges({})).applied_to(parent)
    asked = Submission(body, request.url.path, idempotency_key, job_id, caller.key_id)
    return preview(service, asked) if dry_run else submit(service, asked)
