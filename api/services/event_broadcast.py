"""Live events: one query at a time asks for all listeners, however many there are.

Who listens to one job counts its events by their ``seq``, who listens to every job by ``position``.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from fastapi.sse import format_sse_event
from sqlalchemy.exc import OperationalError
from starlette.concurrency import run_in_threadpool

from api.schemas.history import AnyEventRead, EventRead
from api.services.shared_reads import SharedReads
from db.core.session import Sessions
from db.events.event_order import EventOrder, order_events
from db.events.job_events import EventRepository
from db.tables.jobs import JobEvent

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 0.5
SOME = 500
"""How many events are read at once."""
EVERY = "*"
"""The topic of the events of all jobs."""
KEPT = 256
"""How many of a job's events are shared among its listeners; who is further behind reads rows."""


@dataclass(frozen=True)
class Frame:
    """One event as it goes over the wire; encoded once for all listeners."""

    seq: int
    is_final: bool
    data: bytes
    kind: str = ""
    status: str = ""

    @classmethod
    def of(cls, event: JobEvent) -> "Frame":
        """Return an event's frame; its number is the id that a client resumes from."""
        text = EventRead.of(event).model_dump_json()
        data = format_sse_event(data_str=text, event=event.kind, id=str(event.seq))
        return cls(event.seq, event.status.is_final, data)

    @classmethod
    def among_all(cls, event: JobEvent) -> "Frame":
        """Return an event's frame in the stream of all jobs, which no job ends."""
        read = AnyEventRead.of(event)
        data = format_sse_event(
            data_str=read.model_dump_json(), event=event.kind, id=str(read.position)
        )
        return cls(read.position, False, data, event.kind, event.status)


@dataclass
class Topic:
    """The events of one job that somebody listens to.

    Attributes:
        last: number of the newest event that the poller has seen.
        recent: the newest frames, without a gap.
        changed: set, and replaced, when there are more.
        listeners: how many there are.
    """

    last: int
    recent: deque[Frame] = field(default_factory=lambda: deque(maxlen=KEPT))
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    listeners: int = 0

    def after(self, seq: int) -> list[Frame] | None:
        """Return the frames after a number; None: some of them are kept no longer."""
        if seq >= self.last:
            return []
        if not self.recent or self.recent[0].seq > seq + 1:
            return None
        return [frame for frame in self.recent if frame.seq > seq]

    def skip_to(self, seq: int) -> None:
        """Leave out what every listener there is has read from the rows."""
        if not self.recent:
            self.last = max(self.last, seq)

    def publish(self, frames: list[Frame]) -> None:
        """Hand frames to every listener."""
        self.recent.extend(frames)
        self.last = frames[-1].seq
        self.changed.set()
        self.changed = asyncio.Event()


class Feed:
    """The live events of one process. Lives on its event loop, reads rows on its threads."""

    def __init__(self, sessions: Sessions, by_the_way: Sessions) -> None:
        self._sessions, self._by_the_way = sessions, by_the_way
        self._topics: dict[str, Topic] = {}
        self._poller: asyncio.Task[None] | None = None
        self._replays = SharedReads(self._replay)

    @asynccontextmanager
    async def listen(self, job_id: str, seen: int) -> AsyncIterator[Topic]:
        """Have a job watched from an event on, for as long as somebody listens."""
        topic = self._topics.setdefault(job_id, Topic(seen))
        topic.listeners += 1
        if self._poller is None:
            self._poller = asyncio.create_task(self._poll(), name="feed")
        try:
            yield topic
        finally:
            topic.listeners -= 1
            if topic.listeners == 0:
                del self._topics[job_id]
            if not self._topics:
                self._poller.cancel()
                self._poller = None

    async def replay(self, job_id: str, after: int) -> list[Frame]:
        """Return some of the events that the rows hold after a number, oldest first."""
        return await self._replays.get((job_id, after))

    def place_events(self) -> None:
        """Give places to the events that have none, unless somebody holds the database."""
        try:
            order_events(self._by_the_way)
        except OperationalError as error:  # the next one who looks places them
            logger.warning("no events could be placed: %s", error.orig)

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            seen = {job_id: topic.last for job_id, topic in self._topics.items()}
            try:
                found = await run_in_threadpool(self._read, seen)
            except Exception:
                # The database restarts, say: listeners wait, as they do when nothing happens.
                logger.exception("no events could be read")
                continue
            for job_id, frames in found.items():
                topic = self._topics.get(job_id)
                # A topic that was left and made anew meanwhile may be at another event.
                if topic is not None and topic.last == seen[job_id]:
                    topic.publish(frames)

    def _replay(self, beginning: tuple[str, int]) -> list[Frame]:
        job_id, after = beginning
        return self._read({job_id: after}).get(job_id, [])

    def _read(self, seen: Mapping[str, int]) -> dict[str, list[Frame]]:
        found: dict[str, list[Frame]] = {}
        if EVERY in seen:
            self.place_events()
        with self._sessions() as session:
            if EVERY in seen and (events := EventOrder(session).events_after(seen[EVERY], SOME)):
                found[EVERY] = [Frame.among_all(event) for event in events]
            history = EventRepository(session)
            for job_id, newest in history.newest_events(
                [one for one in seen if one != EVERY]
            ).items():
                if newest > seen[job_id]:
                    events = history.events(job_id, after=seen[job_id])
                    found[job_id] = [Frame.of(event) for event in events]
        return found
