"""What happened to a job, and what its blocks reported."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from api.deps import JobId, ServiceDep
from api.links import next_page
from api.schemas import BlockRead, EventRead, Page
from db.jobs import JobRepository

router = APIRouter(prefix="/v1/jobs/{job_id}", tags=["jobs"])

After = Annotated[int, Query(ge=0, le=2**31 - 1, description="Only events with a higher ``seq``.")]
EventLimit = Annotated[int, Query(ge=1, le=1000, description="How many at most.")]


@router.get("/events")
def list_events(
    job_id: JobId,
    service: ServiceDep,
    response: Response,
    after: After = 0,
    limit: EventLimit = 500,
) -> Page[EventRead]:
    """List what happened, oldest first; ask again with ``after`` the last ``seq``."""
    with service.sessions() as session:
        jobs = JobRepository(session)
        jobs.get(job_id)
        events = jobs.events(job_id, after=after, limit=limit + 1)
    data, has_more = [EventRead.of(event) for event in events[:limit]], len(events) > limit
    next_cursor = str(data[-1].seq) if has_more else None
    if has_more:
        query = {"after": next_cursor, "limit": limit}
        response.headers["link"] = next_page(f"/v1/jobs/{job_id}/events", query)
    return Page(data=data, next_cursor=next_cursor, has_more=has_more)


@router.get("/blocks")
def list_blocks(job_id: JobId, service: ServiceDep) -> Page[BlockRead]:
    """List the latest report on every decoder block, in depth order."""
    with service.sessions() as session:
        jobs = JobRepository(session)
        jobs.get(job_id)
        reports = jobs.blocks(job_id)
    return Page(data=[BlockRead.of(report) for report in reports])
