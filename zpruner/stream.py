"""The events of a job as they happen (server-sent events)."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import httpx

from zpruner.models import Event
from zpruner.outage import Outage
from zpruner.transport import ProblemError, ServiceError, Transport, problem_of

PAUSE_S = 0.5


@dataclass(frozen=True)
class Frame:
    """One message of a stream."""

    kind: str
    data: str


def follow(transport: Transport, job_id: str, after: int) -> Iterator[Event]:
    """Yield every event after one, until the job has ended; resume where the line breaks.

    Raises:
        ProblemError: the service refused.
        ServiceError: it has not answered for a minute.
    """
    outage = Outage()
    while True:
        try:
            for frame in _frames(transport, job_id, after):
                outage.heard()
                if frame.kind == "end":
                    return
                event = Event.model_validate_json(frame.data)
                after = event.seq
                yield event
        except ServiceError as error:
            outage.endure(error)
        time.sleep(PAUSE_S)


def _frames(transport: Transport, job_id: str, after: int) -> Iterator[Frame]:
    headers = {"Accept": "text/event-stream", "Last-Event-ID": str(after)}
    try:
        with transport.stream(f"/v1/jobs/{job_id}/events", headers) as response:
            if response.is_error:
                response.read()
                raise ProblemError(problem_of(response))
            yield from parse(response.iter_lines())
    except httpx.TransportError as error:
        raise ServiceError(f"the events of {job_id} broke off: {error}") from error


def parse(lines: Iterator[str]) -> Iterator[Frame]:
    """Yield the messages; a comment is none, and half of one neither."""
    kind, data = "message", list[str]()
    for line in lines:
        if not line:
            if data:
                yield Frame(kind, "\n".join(data))
            kind, data = "message", []
        name, _, value = line.partition(":")
        if name == "event":
            kind = value.removeprefix(" ")
        elif name == "data":
            data.append(value.removeprefix(" "))
