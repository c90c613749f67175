"""Routes that submit, list and return jobs."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from api.core.caller import CallerDep
from api.middleware.writers import run_writer
from api.routes.dependencies import (
    IF_MATCH,
    IF_NONE_MATCH,
    DryRun,
    IdempotencyKey,
    JobId,
    SentJson,
    ServiceDep,
)
from api.routes.own_trials import OWN_TRIAL
from api.routes.preferences import Wait
from api.schemas.jobs import JobDetail, JobPage
from api.schemas.requests import JobRequest
from api.submission.idempotency import KeyedRequest
from api.submission.submit import NO_NEW_JOB, Submission, preview_response, submit
from api.web.conditional import is_not_modified, require_match
from api.web.list_queries import JobQuery

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])
KEPT_HEADERS = ("location", "idempotency-replayed")
"""The headers that are kept from the submission's response if the request waits for the job. The
body is then a newer one."""


@router.post(
    "",
    status_code=201,
    response_model=JobDetail,
    responses=NO_NEW_JOB,
)
async def submit_job(
    body: JobRequest,
    service: ServiceDep,
    request: Request,
    caller: CallerDep,
    sent: SentJson,
    dry_run: DryRun,
    idempotency_key: IdempotencyKey = None,
    wait_s: Wait = 0,
) -> Response:
    """Submit a job; GET the response's ``Location`` for the job's progress.

    With ``Prefer: wait=60`` the response is sent when the job has ended, or after 60 seconds.
    """
    keyed = KeyedRequest(request.url.path, body, idempotency_key, caller.key_id, sent)
    handle = preview_response if dry_run else submit
    response = await run_writer(handle, service, Submission(body, keyed))
    if wait_s and not dry_run:
        snapshot = await service.job_cache.wait_for_end(
            response.headers["location"].rpartition("/")[2], wait_s
        )
        headers = {
            name: response.headers[name] for name in KEPT_HEADERS if name in response.headers
        }
        return Response(snapshot.body, response.status_code, headers, "application/json")
    return response


@router.get("", response_model=JobPage)
async def list_jobs(service: ServiceDep, query: Annotated[JobQuery, Query()]) -> Response:
    """List jobs, newest first by default; filters are combined with "and"."""
    page = await service.job_pages.get(query)
    headers = {} if page.link is None else {"link": page.link}
    return Response(page.body, headers=headers, media_type="application/json")


@router.get(
    "/{job_id}",
    response_model=JobDetail,
    responses={304: {"description": "The client already has this version."}},
    dependencies=[OWN_TRIAL, IF_MATCH, IF_NONE_MATCH],
)
async def get_job(
    job_id: JobId, service: ServiceDep, request: Request, wait_s: Wait = 0
) -> Response:
    """Return one job; with ``If-None-Match``, only if it has changed.

    With ``Prefer: wait=60`` as well, the response is sent as soon as the job has changed, or after
    60 seconds.
    """
    snapshot = await service.job_cache.current(job_id)
    require_match(request, snapshot.etag)
    if wait_s and is_not_modified(request, snapshot.etag):
        snapshot = await service.job_cache.wait_for_change(job_id, snapshot, wait_s)
    if is_not_modified(request, snapshot.etag):
        return Response(status_code=304, headers={"etag": snapshot.etag})
    return Response(snapshot.body, headers={"etag": snapshot.etag}, media_type="application/json")
