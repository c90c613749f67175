"""Looks at a job: one read of its row serves all who ask in the same second."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from api.schemas.jobs import JobDetail
from api.services.event_broadcast import Feed
from api.services.shared_reads import SharedReads
from api.web.conditional import etag_of
from db.core.session import Sessions
from db.events.job_events import EventRepository
from db.jobs.repository import JobRepository
from db.scheduling.queues import QueueRepository

SHARED_S = 1.0
"""How old a look may be that a poller is shown."""
KEPT = 4096


@dataclass(frozen=True)
class Look:
    """A job as it was at one moment, encoded once.

    Attributes:
        newest: number of its newest event then.
    """

    etag: str
    body: bytes
    newest: int
    is_final: bool


class Looks:
    """The latest looks of one process. Lives on its event loop, reads rows on its threads."""

    def __init__(self, sessions: Sessions, feed: Feed) -> None:
        self._sessions, self._feed = sessions, feed
        self._reads = SharedReads(self._read)
        self._kept: OrderedDict[str, tuple[float, asyncio.Task[Look]]] = OrderedDict()

    async def fresh(self, job_id: str) -> Look:
        """Return the job as it is now.

        Raises:
            JobNotFoundError: there is none.
        """
        return await self._reads.get(job_id)

    async def recent(self, job_id: str) -> Look:
        """Return the job as it was within the last second; of many callers one reads.

        Raises:
            JobNotFoundError: there is none.
        """
        at, task = self._kept.get(job_id, (0.0, None))
        if task is None or at < time.monotonic() - SHARED_S:
            task = asyncio.create_task(self.fresh(job_id), name="look")
            self._keep(job_id, task)
        return await asyncio.shield(task)

    def forget(self, job_id: str) -> None:
        """Show no one what a job was before it was changed here."""
        self._kept.pop(job_id, None)

    async def changed(self, job_id: str, seen: Look, within_s: float) -> Look:
        """Return the job once it has changed, or when the time is over."""
        return await self._wait(job_id, within_s, lambda look: look.etag != seen.etag, seen)

    async def ended(self, job_id: str, within_s: float) -> Look:
        """Return the job once it has ended, or when the time is over."""
        seen = await self.fresh(job_id)
        return await self._wait(job_id, within_s, lambda look: look.is_final, seen)

    async def _wait(
        self, job_id: str, within_s: float, suffices: Callable[[Look], bool], look: Look
    ) -> Look:
        try:
            async with asyncio.timeout(within_s), self._feed.listen(job_id, look.newest) as topic:
                while True:
                    happens = topic.changed  # taken before looking, so that nothing is missed
                    look = await self.fresh(job_id)
                    if suffices(look):
                        return look
                    await happens.wait()
        except TimeoutError:
            return await self.fresh(job_id)  # nothing says when its position in the queue changes

    def _keep(self, job_id: str, task: asyncio.Task[Look]) -> None:
        self._kept[job_id] = (time.monotonic(), task)
        self._kept.move_to_end(job_id)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)

    def _read(self, job_id: str) -> Look:
        with self._sessions() as session:
            job, history = JobRepository(session).get(job_id), EventRepository(session)
            events, newest = history.milestones(job_id), history.newest_events([job_id])[job_id]
            position = QueueRepository(session).near_position(job)
        body = JobDetail.with_history(job, events, position).model_dump_json().encode()
        return Look(etag_of(job, position), body, newest, job.status.is_final)
