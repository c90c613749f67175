"""Live events: one task reads new events from the database for all subscribers.

In this module, the number of an event is its ``seq`` in the stream of one job, and its ``position``
in the stream of all jobs.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from fastapi.sse import format_sse_event
from sqlalchemy.exc import OperationalError
from starlette.concurrency import run_in_threadpool

from api.core.caller import StillAllowed, always_allowed
from api.core.commit_marks import Mark
from api.core.current_values import CommitMarks, CurrentValues
from api.schemas.history import AnyEventRead, EventRead
from db.core.session import Sessions
from db.events.event_order import EventOrder, order_events
from db.events.job_events import EventRepository
from db.tables.jobs import JobEvent

logger = logging.getLogger(__name__)

POLL_EVERY_S = 0.05
"""How often the commit mark is checked; rows are read only after a commit."""
RETRY_AFTER_S = 0.5
CHECK_KEYS_EVERY_S = 0.5
EVENTS_PER_READ = 500
ALL_JOBS = "*"
"""The topic for the events of all jobs."""
MAX_RECENT_FRAMES = 256
"""How many frames a topic keeps; a subscriber that is further behind reads the database rows."""

MAX_REPLAYS = 32
"""How many reads of past events are cached, for other streams that begin at the same event."""


@dataclass(frozen=True)
class Frame:
    """One event as it is sent, encoded once for all subscribers."""

    seq: int
    is_final: bool
    data: bytes
    kind: str = ""
    status: str = ""

    @classmethod
    def of(cls, event: JobEvent) -> "Frame":
        """Return the frame of an event in its job's stream; clients resume after its ``seq``."""
        text = EventRead.of(event).model_dump_json()
        data = format_sse_event(data_str=text, event=event.kind, id=str(event.seq))
        return cls(event.seq, event.status.is_final, data)

    @classmethod
    def among_all(cls, event: JobEvent) -> "Frame":
        """Return the frame of an event in the stream of all jobs, which never ends."""
        read = AnyEventRead.of(event)
        data = format_sse_event(
            data_str=read.model_dump_json(), event=event.kind, id=str(read.position)
        )
        return cls(read.position, False, data, event.kind, event.status)


Start = tuple[str, int]
"""A topic's name, and the number of the event after which to read the topic's events."""
Replays = dict[Start, list[Frame] | Exception]


@dataclass
class Topic:
    """The events of one job, or of all jobs, while there are subscribers.

    Attributes:
        last: number of the newest event that was read; at first, the `seen` of the first
            subscriber.
        recent: the newest frames; no event is missing between them.
    """

    last: int
    recent: deque[Frame] = field(default_factory=lambda: deque(maxlen=MAX_RECENT_FRAMES))
    subscriptions: set["Subscription"] = field(default_factory=set)

    def after(self, seq: int) -> list[Frame] | None:
        """Return the frames after event `seq`; None if some of them are no longer in `recent`."""
        if seq >= self.last:
            return []
        if not self.recent or self.recent[0].seq > seq + 1:
            return None
        return [frame for frame in self.recent if frame.seq > seq]

    def skip_to(self, seq: int) -> None:
        """Set `last` to event number `seq`, which a subscriber has already read from the database.

        All subscribers are notified, so that those that are further behind also read from the
        database. Does nothing if there are recent frames, or if `last` is at least `seq`.
        """
        if not self.recent and seq > self.last:
            self.last = seq
            self._notify()

    def publish(self, frames: list[Frame]) -> None:
        self.recent.extend(frames)
        self.last = frames[-1].seq
        self._notify()

    def _notify(self) -> None:
        for subscription in self.subscriptions:
            subscription.notify()


class Subscription:
    """One subscriber of a topic.

    Attributes:
        is_revoked: whether the subscriber's key is no longer valid.
    """

    def __init__(self, topic: Topic, still_allowed: StillAllowed) -> None:
        self.topic, self.still_allowed = topic, still_allowed
        self.is_revoked = False
        self._changed = asyncio.Event()

    def notify(self) -> None:
        self._changed.set()

    def revoke(self) -> None:
        self.is_revoked = True
        self._changed.set()

    def reset(self) -> None:
        """Make `changed` wait only for changes after this call."""
        self._changed.clear()

    async def changed(self) -> None:
        """Wait until there are new frames or the key is revoked."""
        await self._changed.wait()


class EventBroadcast:
    """Sends live events to the subscribers in one process.

    For use on one event loop; rows are read on other threads.
    """

    def __init__(
        self, sessions: Sessions, best_effort_sessions: Sessions, marks: CommitMarks
    ) -> None:
        self._sessions, self._best_effort_sessions = sessions, best_effort_sessions
        self._marks = marks
        self._topics: dict[str, Topic] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._replays = CurrentValues(marks, self._read_each, max_values=MAX_REPLAYS)

    @asynccontextmanager
    async def subscribe(
        self, job_id: str, seen: int, still_allowed: StillAllowed = always_allowed
    ) -> AsyncIterator[Subscription]:
        """Subscribe to events after event number `seen`, until the context ends.

        `job_id` is the id of the job whose events are sent, or `ALL_JOBS`. If the caller's key is
        revoked, the subscription is revoked within a second.
        """
        topic = self._topics.setdefault(job_id, Topic(seen))
        subscription = Subscription(topic, still_allowed)
        topic.subscriptions.add(subscription)
        if not self._tasks:
            self._tasks = [
                asyncio.create_task(self._poll(), name="event broadcast"),
                asyncio.create_task(self._check_keys(), name="keys of streams"),
            ]
        try:
            yield subscription
        finally:
            topic.subscriptions.remove(subscription)
            if not topic.subscriptions:
                del self._topics[job_id]
            if not self._topics:
                for task in self._tasks:
                    task.cancel()
                self._tasks = []

    async def replay(self, job_id: str, after: int) -> list[Frame]:
        """Return the frames of the next events after event number `after`, oldest first.

        They are read from the database, or taken from a cache that is as up to date.
        """
        return await self._replays.get((job_id, after))

    def order_events(self) -> None:
        """Assign positions to the events that have none, unless the database is locked."""
        try:
            order_events(self._best_effort_sessions)
        except OperationalError as error:  # the next read orders them
            logger.warning("events could not be ordered: %s", error.orig)

    async def _poll(self) -> None:
        """Read new events whenever something was committed."""
        mark: Mark = None
        while True:
            await asyncio.sleep(POLL_EVERY_S)
            try:
                now = await self._marks.now()
                if mark is None or now != mark:
                    await self._publish_new()
                mark = now
            except Exception:
                # The database may be restarting: subscribers wait as if no event had occurred.
                logger.exception("events could not be read")
                mark = None
                await asyncio.sleep(RETRY_AFTER_S)

    async def _publish_new(self) -> None:
        seen = {job_id: topic.last for job_id, topic in self._topics.items()}
        for job_id, frames in (await run_in_threadpool(self._read, seen)).items():
            topic = self._topics.get(job_id)
            # A topic that was deleted and created again meanwhile may be at another event.
            if topic is not None and topic.last == seen[job_id]:
                topic.publish(frames)

    async def _check_keys(self) -> None:
        """Revoke the subscriptions of keys that are no longer valid."""
        while True:
            await asyncio.sleep(CHECK_KEYS_EVERY_S)
            by_key: dict[StillAllowed, list[Subscription]] = {}
            for topic in self._topics.values():
                for subscription in topic.subscriptions:
                    by_key.setdefault(subscription.still_allowed, []).append(subscription)
            for still_allowed, subscriptions in by_key.items():
                if not await still_allowed():
                    for subscription in subscriptions:
                        subscription.revoke()

    def _read_each(self, starts: Sequence[Start], _known: Mapping[Start, list[Frame]]) -> Replays:
        return {
            (topic, after): self._read({topic: after}).get(topic, []) for topic, after in starts
        }

    def _read(self, seen: Mapping[str, int]) -> dict[str, list[Frame]]:
        frames: dict[str, list[Frame]] = {}
        if ALL_JOBS in seen:
            self.order_events()
        with self._sessions() as session:
            if ALL_JOBS in seen and (
                events := EventOrder(session).events_after(seen[ALL_JOBS], EVENTS_PER_READ)
            ):
                frames[ALL_JOBS] = [Frame.among_all(event) for event in events]
            history = EventRepository(session)
            for job_id, newest in history.newest_events(
                [job_id for job_id in seen if job_id != ALL_JOBS]
            ).items():
                if newest > seen[job_id]:
                    events = history.events(job_id, after=seen[job_id])
                    frames[job_id] = [Frame.of(event) for event in events]
        return frames
