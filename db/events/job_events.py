"""The queries for a job's events and block reports."""

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.tables.jobs import BlockReport, Job, JobEvent

IDS_AT_ONCE = 500
"""How many ids one statement may contain; every database allows that many parameters."""


class EventRepository:
    """Reads events and block reports of jobs."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def events(self, job_id: str, after: int = 0, limit: int = 500) -> list[JobEvent]:
        """Return the job's events with a sequence number greater than ``after``, oldest first."""
        query = select(JobEvent).where(JobEvent.job_id == job_id, JobEvent.seq > after)
        return list(self._session.scalars(query.order_by(JobEvent.seq).limit(limit)))

    def milestones(self, job_id: str) -> list[JobEvent]:
        """Return the job's changes of status and phase, oldest first."""
        query = select(JobEvent).where(JobEvent.job_id == job_id)
        query = query.where(JobEvent.kind.in_(("status", "phase")))
        return list(self._session.scalars(query.order_by(JobEvent.seq)))

    def newest_events(self, job_ids: Sequence[str]) -> dict[str, int]:
        """Return the sequence number of each job's newest event, by the job's id.

        The number is 0 for a job without events. Unknown jobs are left out.
        """
        newest = select(func.max(JobEvent.seq)).where(JobEvent.job_id == Job.id).scalar_subquery()
        numbers: dict[str, int] = {}
        for start in range(0, len(job_ids), IDS_AT_ONCE):
            some = job_ids[start : start + IDS_AT_ONCE]
            query = select(Job.id, newest).where(Job.id.in_(some))
            numbers |= {job_id: last or 0 for job_id, last in self._session.execute(query)}
        return numbers

    def block_reports(self, job_id: str) -> list[BlockReport]:
        """Return the newest report of each block, ordered by the block's index."""
        latest = (
            select(BlockReport.index, func.max(BlockReport.attempt).label("attempt"))
            .where(BlockReport.job_id == job_id)
            .group_by(BlockReport.index)
            .subquery()
        )
        query = (
            select(BlockReport)
            .join(
                latest,
                (BlockReport.index == latest.c.index) & (BlockReport.attempt == latest.c.attempt),
            )
            .where(BlockReport.job_id == job_id)
            .order_by(BlockReport.index)
        )
        return list(self._session.scalars(query))
