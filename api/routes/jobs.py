"""Jobs: submit, look, cancel."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from api.caller import CallerDep
from api.cursors import cursor_of
from api.deps import DryRun, IdempotencyKey, JobId, ServiceDep
from api.links import next_page
from api.preconditions import etag_of, is_known, require_match, wanted_version
from api.queries import JobQuery
from api.schemas import Facets, JobPage, JobRead, JobRequest
from api.submission import NOTHING_NEW, Submission, preview, submit
from db.jobs import JobRepository
from db.listing import Place

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])


@router.post(
    "",
    status_code=201,
    response_model=JobRead,
    responses=NOTHING_NEW,
)
def submit_job(
    body: JobRequest,
    service: ServiceDep,
    request: Request,
    caller: CallerDep,
    idempotency_key: IdempotencyKey = None,
    dry_run: DryRun = False,
) -> Response:
    """Accept a job; follow ``Location`` for its progress."""
    asked = Submission(body, request.url.path, idempotency_key, created_by=caller.key_id)
    return preview(service, asked) if dry_run else submit(service, asked)


@router.get("")
def list_jobs(
    service: ServiceDep, response: Response, query: Annotated[JobQuery, Query()]
) -> JobPage:
    """List jobs, newest first; every filter narrows the list."""
    wanted, facets = query.wanted(), None
    with service.sessions() as session:
        jobs = JobRepository(session)
        found = jobs.page(
            wanted,
            limit=query.limit + 1,
            after=query.after(),
            oldest_first=query.sort == "created",
        )
        if query.include == "facets":
            facets = Facets.of(jobs.facets(wanted))
    page, next_cursor = found[: query.limit], None
    if len(found) > query.limit:
        next_cursor = cursor_of(Place(page[-1].created_at, page[-1].id))
        response.headers["link"] = next_page("/v1/jobs", query.link(next_cursor))
    data = [JobRead.of(job) for job in page]
    return JobPage(
        data=data, next_cursor=next_cursor, has_more=next_cursor is not None, facets=facets
    )


@router.get("/{job_id}", responses={304: {"description": "The caller has this version."}})
def get_job(job_id: JobId, service: ServiceDep, request: Request, response: Response) -> JobRead:
    """Return one job; with ``If-None-Match``, only if it has changed."""
    with service.sessions() as session:
        job = JobRepository(session).get(job_id)
    etag = etag_of(job)
    require_match(request, etag)
    if is_known(request, etag):
        return Response(status_code=304, headers={"etag": etag})  # type: ignore[return-value]
    response.headers["etag"] = etag
    return JobRead.of(job)


@router.post("/{job_id}/cancel")
def cancel_job(job_id: JobId, service: ServiceDep, request: Request, response: Response) -> JobRead:
    """Stop a job that has not ended; asking twice is the same as asking once."""
    version = wanted_version(request, job_id)
    with service.sessions.begin() as session:
        job = JobRepository(session).cancel(job_id, version=version)
    response.headers["etag"] = etag_of(job)
    return JobRead.of(job)
