"""Snapshots of jobs, which are read and encoded once for all requests."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from api.core.caller import Caller
from api.core.current_values import CommitMarks, CurrentValues
from api.services.event_broadcast import EventBroadcast
from api.services.job_details import job_detail
from api.web.conditional import etag_of
from db.core.errors import JobNotFoundError
from db.core.session import Sessions
from db.events.job_events import EventRepository
from db.events.job_rows import get_job
from db.jobs.repository import JobRepository
from db.jobs.trials import TrialRepository, TriedBy
from db.scheduling.queues import QueueRepository

MAX_SNAPSHOTS = 4096


@dataclass(frozen=True)
class JobSnapshot:
    """A job at one moment, encoded once.

    Attributes:
        newest: sequence number of the job's newest event at that moment.
        tried_by: of a job that answers a trial, the caller that may see it; None of other jobs.
    """

    etag: str
    body: bytes
    newest: int
    is_final: bool
    tried_by: TriedBy | None = None

    def may_be_seen_by(self, caller: Caller) -> bool:
        """Whether a caller may see the job; one that answers a trial is seen only by its owner."""
        return self.tried_by is None or caller.owns(self.tried_by.key_id)


class JobCache:
    """A process's cache of job snapshots; for use on one event loop."""

    def __init__(self, sessions: Sessions, broadcast: EventBroadcast, marks: CommitMarks) -> None:
        self._sessions, self._broadcast = sessions, broadcast
        self._snapshots = CurrentValues(marks, self._read, max_values=MAX_SNAPSHOTS)

    async def current(self, job_id: str) -> JobSnapshot:
        """Return the job as it is now.

        Raises:
            JobNotFoundError: there is no such job.
        """
        return await self._snapshots.get(job_id)

    async def wait_for_change(self, job_id: str, seen: JobSnapshot, within_s: float) -> JobSnapshot:
        """Return the job once it differs from `seen`, or after `within_s` seconds."""
        return await self._wait(job_id, within_s, lambda job: job.etag != seen.etag, seen)

    async def wait_for_end(self, job_id: str, within_s: float) -> JobSnapshot:
        """Return the job once it has ended, or after `within_s` seconds."""
        seen = await self.current(job_id)
        return await self._wait(job_id, within_s, lambda job: job.is_final, seen)

    async def _wait(
        self,
        job_id: str,
        within_s: float,
        suffices: Callable[[JobSnapshot], bool],
        seen: JobSnapshot,
    ) -> JobSnapshot:
        subscribed = self._broadcast.subscribe(job_id, seen.newest)
        try:
            async with asyncio.timeout(within_s), subscribed as subscription:
                while True:
                    subscription.reset()  # before the read, so that no change is missed
                    snapshot = await self.current(job_id)
                    if suffices(snapshot):
                        return snapshot
                    await subscription.changed()
        except TimeoutError:
            return await self.current(job_id)  # no event says that its queue position has changed

    def _read(
        self, job_ids: Sequence[str], known: Mapping[str, JobSnapshot]
    ) -> dict[str, JobSnapshot | Exception]:
        """Read the versions of jobs, and the whole rows of the jobs that have changed."""
        snapshots: dict[str, JobSnapshot | Exception] = {}
        with self._sessions() as session:
            queues = QueueRepository(session)
            versions = {job.id: job for job in JobRepository(session).versions(job_ids)}
            for job_id in job_ids:
                job, seen = versions.get(job_id), known.get(job_id)
                tag = None if job is None else etag_of(job, queues.near_position(job))
                try:
                    if seen is None or seen.etag != tag:
                        seen = _snapshot(session, job_id)
                    snapshots[job_id] = seen
                except JobNotFoundError as missing:
                    snapshots[job_id] = missing
        return snapshots


def _snapshot(session: Session, job_id: str) -> JobSnapshot:
    job = get_job(session, job_id)
    detail = job_detail(session, job)
    newest = EventRepository(session).newest_events([job_id])[job_id]
    etag, body = etag_of(job, detail.queue_position), detail.model_dump_json().encode()
    tried_by = TrialRepository(session).tried_by(job)
    return JobSnapshot(etag, body, newest, job.status.is_final, tried_by)
