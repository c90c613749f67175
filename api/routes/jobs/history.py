"""Routes of one job's events and block reports."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import WithJsonSchema
from starlette.concurrency import run_in_threadpool

from api.core.caller import StillAllowedDep
from api.routes.dependencies import JobId, ServiceDep
from api.routes.own_trials import OWN_TRIAL
from api.schemas.history import BlockRead, EventRead
from api.schemas.pages import Page
from api.services.event_stream import EventStream, StreamStart
from api.services.service import Service
from api.web.cursors import paginate
from api.web.pagination import next_link
from db.events.job_events import EventRepository
from db.jobs.repository import JobRepository

router = APIRouter(prefix="/v1/jobs/{job_id}", tags=["jobs"], dependencies=[OWN_TRIAL])

After = Annotated[int, Query(ge=0, le=2**31 - 1, description="Only events with a higher ``seq``.")]
LastEventId = Annotated[
    int | None,
    WithJsonSchema({"type": "integer", "minimum": 0, "maximum": 2**31 - 1}),  # a header has no null
    Header(ge=0, le=2**31 - 1, description="For a stream: the last ``id`` that was received."),
]
STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The events so far, or a stream of all events.",
        "content": {EventStream.media_type: {"schema": {"type": "string"}}},
    }
}
Layers = Annotated[
    bool,
    Query(description="`false` omits the reports of single layers, which are the largest part."),
]
EventLimit = Annotated[int, Query(ge=1, le=1000, description="The largest number of items.")]


@router.get("/events", response_model=Page[EventRead], responses=STREAM)
async def list_events(
    job_id: JobId,
    service: ServiceDep,
    request: Request,
    response: Response,
    still_allowed: StillAllowedDep,
    after: After = 0,
    limit: EventLimit = 500,
    last_event_id: LastEventId = None,
) -> Page[EventRead] | EventStream:
    """List a job's events, oldest first; to continue, pass the last ``seq`` as ``after``.

    With ``Accept: text/event-stream`` the response is a stream of the stored and future events,
    which ends when the job ends; ``Last-Event-ID`` resumes the stream.
    """
    if EventStream.media_type in request.headers.get("accept", ""):
        start = await _start(service, job_id, after if last_event_id is None else last_event_id)
        return EventStream(service.broadcast, start, still_allowed)
    response.headers["vary"] = "accept"
    page = await run_in_threadpool(_page, service, job_id, after, limit)
    if page.next_cursor is not None:
        query = {"after": page.next_cursor, "limit": limit}
        response.headers["link"] = next_link(f"/v1/jobs/{job_id}/events", query)
    return page


def _page(service: Service, job_id: str, after: int, limit: int) -> Page[EventRead]:
    with service.sessions() as session:
        JobRepository(session).get(job_id)
        events = EventRepository(session).events(job_id, after=after, limit=limit + 1)
    page, next_cursor = paginate(events, limit, lambda event: str(event.seq))
    return Page(data=[EventRead.of(event) for event in page], next_cursor=next_cursor)


async def _start(service: Service, job_id: str, seen: int) -> StreamStart:
    job = await service.job_cache.current(job_id)
    return StreamStart(job_id, min(seen, job.newest), is_over=job.is_final and seen >= job.newest)


@router.get("/blocks")
def list_blocks(job_id: JobId, service: ServiceDep, layers: Layers = True) -> Page[BlockRead]:
    """List the latest report of each decoder block, from the first block to the last."""
    with service.sessions() as session:
        JobRepository(session).get(job_id)
        rows = EventRepository(session).block_reports(job_id)
        reports = [BlockRead.of(report) for report in rows]
    return Page(data=reports if layers else [report.without_layers() for report in reports])
