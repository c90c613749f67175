"""What happens to all jobs, for whoever watches them together."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.sse import format_sse_event
from pydantic import BaseModel, ConfigDict, StringConstraints, WithJsonSchema

from api.deps import Service, ServiceDep
from api.middleware.caller import StillOpensDep
from api.schemas.history import AnyEventPage, AnyEventRead
from api.services.event_broadcast import EVERY, Frame
from api.web.cursors import cut
from api.web.event_stream import EventStream, Start, pruned_event
from api.web.pagination import next_page
from db.core.states import JobState
from db.events.event_order import EventOrder

router = APIRouter(prefix="/v1", tags=["jobs"])

LARGEST = 2**53 - 1  # what a page's script can count to
PING_EVERY_S = 4.0
"""A page can hear these, and say that the line is dead when they stay away."""
PING = format_sse_event(event="ping", data_str="{}")
Kind = Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,32}$")]
LastEventId = Annotated[
    int | None,
    WithJsonSchema({"type": "integer", "minimum": 0, "maximum": LARGEST}),  # a header has no null
    Header(ge=0, le=LARGEST, description="Of a stream: the last ``id`` that arrived."),
]
STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events so far, or a stream of those to come.",
        "content": {EventStream.media_type: {"schema": {"type": "string"}}},
    }
}


class EventQuery(BaseModel):
    """Which events; a parameter that does not exist is refused."""

    model_config = ConfigDict(extra="forbid")

    after: Annotated[
        int | None, Query(ge=0, le=LARGEST, description="Only events with a higher `position`.")
    ] = None
    kind: Annotated[list[Kind], Query(max_length=16, description="Any of these.")] = []
    status: Annotated[list[JobState], Query(max_length=16, description="Any of these.")] = []
    limit: Annotated[int, Query(ge=1, le=1000, description="Of a list: how many at most.")] = 500

    def wants(self, frame: Frame) -> bool:
        """Whether an event is asked for."""
        return (not self.kind or frame.kind in self.kind) and (
            not self.status or frame.status in self.status
        )


@router.get("/events", response_model=AnyEventPage, responses=STREAM)
def list_all_events(
    service: ServiceDep,
    request: Request,
    response: Response,
    still_opens: StillOpensDep,
    query: Annotated[EventQuery, Query()],
    last_event_id: LastEventId = None,
) -> AnyEventPage | EventStream:
    """List what happened to all jobs, oldest first; ask again with ``after`` the last ``position``.

    With ``Accept: text/event-stream`` the answer is a stream that never ends: what happens from
    now on, or everything after ``after`` or ``Last-Event-ID``. It opens with an event ``ready``,
    and an event ``ping`` comes whenever nothing has happened for some seconds. An event ``pruned``
    follows it where some events behind that place are no longer kept.
    """
    if EventStream.media_type in request.headers.get("accept", ""):
        return EventStream(service.feed, _start(service, query, last_event_id), still_opens)
    response.headers["vary"] = "accept"
    service.feed.place_events()
    with service.sessions() as session:
        events = EventOrder(session)
        pruned = events.pruned_position()
        found = events.all_events(
            query.after or 0, query.limit + 1, kinds=query.kind, statuses=query.status
        )
    page, next_cursor = cut(found, query.limit, lambda event: str(event.position))
    if next_cursor is not None:
        given = query.model_dump(mode="json", exclude_defaults=True)
        response.headers["link"] = next_page("/v1/events", given | {"after": next_cursor})
    data = [AnyEventRead.of(event) for event in page]
    return AnyEventPage(data=data, next_cursor=next_cursor, pruned=pruned)


def _start(service: Service, query: EventQuery, last_event_id: int | None) -> Start:
    service.feed.place_events()  # what happened before is not "from now on"
    with service.sessions() as session:
        events = EventOrder(session)
        newest, pruned = events.last_position(), events.pruned_position()
    asked = query.after if last_event_id is None else last_event_id
    seen = newest if asked is None else min(asked, newest)
    # Its id makes a client that loses the line before anything happens resume from here.
    opening = format_sse_event(event="ready", data_str="{}", id=str(seen), retry=2000)
    if seen < pruned:
        opening += pruned_event(pruned)
    return Start(
        EVERY,
        seen,
        is_over=False,
        wants=query.wants,
        opening=opening,
        ping=PING,
        ping_every_s=PING_EVERY_S,
    )
