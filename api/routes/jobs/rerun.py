"""Jobs once more, with changes."""

from typing import Annotated

from fastapi import APIRouter, Body, Request, Response

from api.deps import DryRun, IdempotencyKey, JobId, ServiceDep
from api.middleware.caller import CallerDep
from api.middleware.writers import WritingRoute
from api.schemas.jobs import JobDetail
from api.submission.idempotency import KeyedRequest
from api.submission.rerun_request import JobChanges
from api.submission.submit import NOTHING_NEW, Submission, preview, replayed, submit
from db.jobs.repository import JobRepository

router = APIRouter(prefix="/v1/jobs/{job_id}", tags=["jobs"], route_class=WritingRoute)


@router.post("/rerun", status_code=201, response_model=JobDetail, responses=NOTHING_NEW)
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
    changes = changes or JobChanges({})
    came = KeyedRequest(request.url.path, changes, idempotency_key, caller.key_id)
    # First: the parent may have changed since, or be gone.
    if not dry_run and (first := replayed(service, came)) is not None:
        return first
    with service.sessions() as session:
        parent = JobRepository(session).get(job_id)
    asked = Submission(changes.applied_to(parent), came, job_id)
    return preview(service, asked) if dry_run else submit(service, asked)
