"""The route that returns all jobs' events, as a list or a stream."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.sse import format_sse_event
from pydantic import Field, StringConstraints, WithJsonSchema

from api.core.caller import StillAllowedDep
from api.routes.dependencies import ServiceDep
from api.schemas.fields import RequestModel
from api.schemas.history import AnyEventPage, AnyEventRead
from api.services.event_broadcast import ALL_JOBS, Frame
from api.services.event_stream import EventStream, StreamStart, pruned_event
from api.services.service import Service
from api.web.cursors import paginate
from api.web.pagination import next_link
from db.core.states import JobState
from db.events.event_order import EventOrder

router = APIRouter(prefix="/v1", tags=["jobs"])

LARGEST = 2**53 - 1  # the largest exact integer in JavaScript
PING_EVERY_S = 4.0
"""How often a ping is sent while there are no events. A client that receives nothing for longer
knows that its connection is broken."""
PING = format_sse_event(event="ping", data_str="{}")
Kind = Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,32}$")]
LastEventId = Annotated[
    int | None,
    WithJsonSchema({"type": "integer", "minimum": 0, "maximum": LARGEST}),  # a header has no null
    Header(ge=0, le=LARGEST, description="For a stream: the last ``id`` that was received."),
]
STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The events so far, or a stream of future ones.",
        "content": {EventStream.media_type: {"schema": {"type": "string"}}},
    }
}


class EventQuery(RequestModel):
    """The query parameters for listing events."""

    after: Annotated[
        int | None, Query(ge=0, le=LARGEST, description="Only events with a higher `position`.")
    ] = None
    kind: list[Kind] = Field(default=[], max_length=16, description="One of these.")
    status: list[JobState] = Field(default=[], max_length=16, description="One of these.")
    limit: Annotated[
        int, Query(ge=1, le=1000, description="For a list: the largest number of items.")
    ] = 500

    def matches(self, frame: Frame) -> bool:
        return (not self.kind or frame.kind in self.kind) and (
            not self.status or frame.status in self.status
        )


@router.get("/events", response_model=AnyEventPage, responses=STREAM)
def list_all_events(
    service: ServiceDep,
    request: Request,
    response: Response,
    still_allowed: StillAllowedDep,
    query: Annotated[EventQuery, Query()],
    last_event_id: LastEventId = None,
) -> AnyEventPage | EventStream:
    """List all jobs' events, oldest first; to continue, pass the last ``position`` as ``after``.

    With ``Accept: text/event-stream`` the response is an endless stream of future events; with
    ``after`` or ``Last-Event-ID``, it also contains the stored events after that position. The
    stream starts with a ``ready`` event, followed by a ``pruned`` event if some of the requested
    events are no longer stored. A ``ping`` event is sent when nothing has happened for some
    seconds.
    """
    if EventStream.media_type in request.headers.get("accept", ""):
        return EventStream(service.broadcast, _start(service, query, last_event_id), still_allowed)
    response.headers["vary"] = "accept"
    service.broadcast.order_events()
    with service.sessions() as session:
        events = EventOrder(session)
        pruned = events.pruned_position()
        rows = events.events_after(
            query.after or 0, query.limit + 1, kinds=query.kind, statuses=query.status
        )
    page, next_cursor = paginate(rows, query.limit, lambda event: str(event.position))
    if next_cursor is not None:
        given = query.model_dump(mode="json", exclude_defaults=True)
        response.headers["link"] = next_link("/v1/events", given | {"after": next_cursor})
    data = [AnyEventRead.of(event) for event in page]
    return AnyEventPage(data=data, next_cursor=next_cursor, pruned=pruned)


def _start(service: Service, query: EventQuery, last_event_id: int | None) -> StreamStart:
    service.broadcast.order_events()  # earlier events are not part of the stream
    with service.sessions() as session:
        events = EventOrder(session)
        newest, pruned = events.last_position(), events.pruned_position()
    after = query.after if last_event_id is None else last_event_id
    seen = newest if after is None else min(after, newest)
    # A client that loses the connection before the first event resumes from this id.
    opening = format_sse_event(event="ready", data_str="{}", id=str(seen), retry=2000)
    if seen < pruned:
        opening += pruned_event(pruned)
    return StreamStart(
        ALL_JOBS,
        seen,
        is_over=False,
        includes=query.matches,
        opening=opening,
        ping=PING,
        ping_every_s=PING_EVERY_S,
    )
