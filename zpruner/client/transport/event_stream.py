"""Reads the events of a job, once or as a stream of server-sent events."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from zpruner.client.models.jobs import Event
from zpruner.client.transport.errors import ServiceError
from zpruner.client.transport.outage import Outage
from zpruner.client.transport.transport import Transport

PAUSE_S = 0.5


@dataclass(frozen=True)
class Frame:
    """One server-sent event."""

    kind: str
    data: str


async def events(
    transport: Transport[Any], job_id: str, after: int, follow: bool
) -> AsyncIterator[Event]:
    """Yield the events whose ``seq`` is above ``after``.

    With ``follow``, also yield new events until the job has ended.
    """
    if follow:
        async for event in _followed(transport, job_id, after):
            yield event
        return
    async for row in transport.pages(f"/v1/jobs/{job_id}/events", {"after": after}):
        yield Event.model_validate(row)


async def _followed(transport: Transport[Any], job_id: str, after: int) -> AsyncIterator[Event]:
    """Yield the events whose ``seq`` is above ``after``; reconnect until the job has ended.

    Raises:
        ProblemError: the service refused the request.
        ServiceError: the service has not responded for a minute, or something else responds.
    """
    outage = Outage()
    while True:
        try:
            async for frame in _frames(transport, job_id, after):
                outage.reset()
                if frame.kind == "end":
                    return
                if frame.kind == "pruned":  # old events of the job were deleted
                    continue
                event = Event.model_validate_json(frame.data)
                after = event.seq
                yield event
        except ServiceError as error:
            outage.check(error)
        await transport.sleep(PAUSE_S)


async def _frames(transport: Transport[Any], job_id: str, after: int) -> AsyncIterator[Frame]:
    headers = {"Accept": "text/event-stream", "Last-Event-ID": str(after)}
    path, description = f"/v1/jobs/{job_id}/events", f"the events of {job_id}"
    async with transport.open(path, headers, description) as body:
        transport.check_is("stream of events", body.response)
        async for frame in parse(body.lines()):
            yield frame


async def parse(lines: AsyncIterator[str]) -> AsyncIterator[Frame]:
    """Yield the complete server-sent events in a stream of lines; ignore comments."""
    kind, data = "message", list[str]()
    async for line in lines:
        if not line:
            if data:
                yield Frame(kind, "\n".join(data))
            kind, data = "message", []
        name, _, value = line.partition(":")
        if name == "event":
            kind = value.removeprefix(" ")
        elif name == "data":
            data.append(value.removeprefix(" "))
