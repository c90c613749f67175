"""Events as a stream: what was, then what happens, then, of one job, the end."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from fastapi.sse import KEEPALIVE_COMMENT, EventSourceResponse, format_sse_event

from api.middleware.caller import StillAllowed
from api.services.event_broadcast import EVERY, Feed, Frame

PING_EVERY_S = 15.0
OPENING = format_sse_event(retry=2000)
END = format_sse_event(event="end", data_str="{}")


def pruned_event(until: int) -> bytes:
    """Return what tells a client that events up to a number, of those it asks for, are gone."""
    return format_sse_event(event="pruned", data_str=json.dumps({"until": until}))


@dataclass(frozen=True)
class Start:
    """Where a stream begins.

    Attributes:
        topic: a job's id, or ``EVERY`` job.
        seen: number of the last event that the client has.
        is_over: whether the job has ended and nothing comes after that event.
        wants: which events are told.
        opening: what is told first.
        ping: what is told every ``ping_every_s`` seconds in which nothing happens.
        ping_every_s: as often it is asked whether the caller may still listen.
    """

    topic: str
    seen: int
    is_over: bool
    wants: Callable[[Frame], bool] = lambda _: True
    opening: bytes = OPENING
    ping: bytes = KEEPALIVE_COMMENT
    ping_every_s: float = PING_EVERY_S


class EventStream(EventSourceResponse):
    """The answer; a proxy is asked not to hold it back."""

    def __init__(self, feed: Feed, start: Start, still_allowed: StillAllowed) -> None:
        headers = {"vary": "accept", "x-accel-buffering": "no"}
        super().__init__(follow(feed, start, still_allowed), headers=headers)


async def follow(feed: Feed, start: Start, still_allowed: StillAllowed) -> AsyncIterator[bytes]:
    """Yield every event after the start once and in order, until the job has ended.

    It breaks off, without an end, when the caller's key opens no longer.
    """
    seen, is_over, is_behind = start.seen, start.is_over, True
    asked_at = time.monotonic()
    yield start.opening
    async with feed.listen(start.topic, seen) as topic:
        while True:
            if time.monotonic() - asked_at >= start.ping_every_s:
                if not await still_allowed():
                    return
                asked_at = time.monotonic()
            changed = topic.changed  # taken before looking, so that nothing is missed after it
            frames = None if is_behind else topic.after(seen)
            if frames is None:
                frames = await feed.replay(start.topic, seen)
            for frame in frames:
                if start.topic != EVERY and frame.seq > seen + 1:  # a job's events have no gaps
                    yield pruned_event(frame.seq - 1)
                if start.wants(frame):
                    yield frame.data
                seen, is_over = frame.seq, frame.is_final
            if frames:
                continue
            if is_behind:
                is_behind = False
                topic.skip_to(seen)
            elif is_over:
                break
            elif not await _happens(changed, start.ping_every_s):
                yield start.ping
    yield END


async def _happens(changed: asyncio.Event, within_s: float) -> bool:
    """Wait for a change; whether one came before somebody would think that the line is dead."""
    try:
        async with asyncio.timeout(within_s):
            await changed.wait()
    except TimeoutError:
        return False
    return True
