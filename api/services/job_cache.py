"""Snapshots of jobs: one read of a row serves all requests of the same second."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from api.schemas.jobs import JobDetail
from api.services.event_broadcast import EventBroadcast
from api.services.shared_reads import SharedReads
from api.web.conditional import etag_of
from db.core.session import Sessions
from db.events.job_events import EventRepository
from db.jobs.repository import JobRepository
from db.scheduling.queues import QueueRepository

MAX_AGE_S = 1.0
"""How old a snapshot may be that a polling client gets."""
MAX_SNAPSHOTS = 4096


@dataclass(frozen=True)
class JobSnapshot:
    """A job at one moment, encoded once.

    Attributes:
        newest: number of its newest event at that moment.
    """

    etag: str
    body: bytes
    newest: int
    is_final: bool


class JobCache:
    """The latest snapshots of one process; for use on one event loop."""

    def __init__(self, sessions: Sessions, broadcast: EventBroadcast) -> None:
        self._sessions, self._broadcast = sessions, broadcast
        self._reads = SharedReads(self._read)
        self._recent: OrderedDict[str, tuple[float, asyncio.Task[JobSnapshot]]] = OrderedDict()

    async def current(self, job_id: str) -> JobSnapshot:
        """Return the job as it is now.

        Raises:
            JobNotFoundError: there is none.
        """
        return await self._reads.get(job_id)

    async def recent(self, job_id: str) -> JobSnapshot:
        """Return the job as it was within the last second; concurrent callers share one read.

        Raises:
            JobNotFoundError: there is none.
        """
        at, task = self._recent.get(job_id, (0.0, None))
        if task is None or at < time.monotonic() - MAX_AGE_S:
            task = asyncio.create_task(self.current(job_id), name="job snapshot")
            self._store(job_id, task)
        return await asyncio.shield(task)

    def invalidate(self, job_id: str) -> None:
        """Delete the snapshot of a job that this process has changed."""
        self._recent.pop(job_id, None)

    async def wait_for_change(self, job_id: str, seen: JobSnapshot, within_s: float) -> JobSnapshot:
        """Return the job once it differs from `seen`, or at the end of the time."""
        return await self._wait(job_id, within_s, lambda one: one.etag != seen.etag, seen)

    async def wait_for_end(self, job_id: str, within_s: float) -> JobSnapshot:
        """Return the job once it has ended, or at the end of the time."""
        seen = await self.current(job_id)
        return await self._wait(job_id, within_s, lambda one: one.is_final, seen)

    async def _wait(
        self,
        job_id: str,
        within_s: float,
        suffices: Callable[[JobSnapshot], bool],
        seen: JobSnapshot,
    ) -> JobSnapshot:
        subscription = self._broadcast.subscribe(job_id, seen.newest)
        try:
            async with asyncio.timeout(within_s), subscription as topic:
                while True:
                    changed = topic.changed  # taken before the read, so that no change is missed
                    snapshot = await self.current(job_id)
                    if suffices(snapshot):
                        return snapshot
                    await changed.wait()
        except TimeoutError:
            return await self.current(job_id)  # no event says that its queue position has changed

    def _store(self, job_id: str, task: asyncio.Task[JobSnapshot]) -> None:
        self._recent[job_id] = (time.monotonic(), task)
        self._recent.move_to_end(job_id)
        while len(self._recent) > MAX_SNAPSHOTS:
            self._recent.popitem(last=False)

    def _read(self, job_id: str) -> JobSnapshot:
        with self._sessions() as session:
            job, history = JobRepository(session).get(job_id), EventRepository(session)
            events, newest = history.milestones(job_id), history.newest_events([job_id])[job_id]
            position = QueueRepository(session).near_position(job)
        body = JobDetail.with_history(job, events, position).model_dump_json().encode()
        return JobSnapshot(etag_of(job, position), body, newest, job.status.is_final)
