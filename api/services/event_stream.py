"""The event stream of one job or of all jobs: past events, live events, and the end of a job."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass

from fastapi.sse import KEEPALIVE_COMMENT, EventSourceResponse, format_sse_event

from api.core.caller import StillAllowed
from api.services.event_broadcast import ALL_JOBS, EventBroadcast, Frame, Subscription

PING_EVERY_S = 15.0
OPENING = format_sse_event(retry=2000)
END = format_sse_event(event="end", data_str="{}")


def pruned_event(until: int) -> bytes:
    """Return the message which says that the requested events up to ``until`` were deleted."""
    return format_sse_event(event="pruned", data_str=json.dumps({"until": until}))


@dataclass(frozen=True)
class StreamStart:
    """The event after which a stream starts, and the options of the stream.

    Attributes:
        topic: a job's id, or ``ALL_JOBS``.
        seen: number of the event after which the stream starts.
        is_over: whether the job has ended and has no event after ``seen``.
        includes: a function that returns whether an event is sent.
        opening: the first message.
        ping: the message that is sent after every ``ping_every_s`` seconds without an event.
    """

    topic: str
    seen: int
    is_over: bool
    includes: Callable[[Frame], bool] = lambda _: True
    opening: bytes = OPENING
    ping: bytes = KEEPALIVE_COMMENT
    ping_every_s: float = PING_EVERY_S

    def messages(self, frames: Iterable[Frame], seen: int) -> Iterator[bytes]:
        """Yield the messages for frames, all of which come after event ``seen``.

        In a job's stream, also yield a message wherever events were deleted.
        """
        for frame in frames:
            if self.topic != ALL_JOBS and frame.seq > seen + 1:  # a job's events have no gaps
                yield pruned_event(frame.seq - 1)
            if self.includes(frame):
                yield frame.data
            seen = frame.seq


class EventStream(EventSourceResponse):
    """A response with an event stream; its headers ask proxies not to buffer it."""

    def __init__(
        self, broadcast: EventBroadcast, start: StreamStart, still_allowed: StillAllowed
    ) -> None:
        headers = {"vary": "accept", "x-accel-buffering": "no"}
        super().__init__(follow(broadcast, start, still_allowed), headers=headers)


async def follow(
    broadcast: EventBroadcast, start: StreamStart, still_allowed: StillAllowed
) -> AsyncIterator[bytes]:
    """Yield the messages of a stream: the opening, events (each once and in order), and pings.

    In a job's stream, an ``end`` event follows once the job has ended. Once the caller's key is no
    longer valid, the stream stops without an ``end`` event.
    """
    seen, is_over, is_behind = start.seen, start.is_over, True
    yield start.opening
    async with broadcast.subscribe(start.topic, seen, still_allowed) as subscription:
        while True:
            subscription.reset()  # before the read, so that no change is missed
            if subscription.is_revoked:
                return
            frames = None if is_behind else subscription.topic.after(seen)
            if frames is None:
                frames = await broadcast.replay(start.topic, seen)
            if frames:
                if sent := b"".join(start.messages(frames, seen)):
                    yield sent
                seen, is_over = frames[-1].seq, frames[-1].is_final
            elif is_behind:
                is_behind = False
                subscription.topic.skip_to(seen)
            elif is_over:
                break
            elif not await _changes(subscription, start.ping_every_s):
                yield start.ping
    yield END


async def _changes(subscription: Subscription, within_s: float) -> bool:
    """Wait for a change; return whether one occurred in time."""
    try:
        async with asyncio.timeout(within_s):
            await subscription.changed()
    except TimeoutError:
        return False
    return True
