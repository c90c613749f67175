"""What happened to a job, in order, and what its blocks reported."""

from sqlalchemy import func, select

from db.models import BlockReport, JobEvent
from db.rows import JobRows


class EventRepository(JobRows):
    """The history of the jobs in one session."""

    def events(self, job_id: str, after: int = 0, limit: int = 500) -> list[JobEvent]:
        """Return the job's events whose number is greater than ``after``."""
        query = select(JobEvent).where(JobEvent.job_id == job_id, JobEvent.seq > after)
        return list(self._session.scalars(query.order_by(JobEvent.seq).limit(limit)))

    def blocks(self, job_id: str) -> list[BlockReport]:
        """Return the latest report on every block, by index."""
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
