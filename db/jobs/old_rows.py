"""The deletion of old audit entries and events, in batches."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import ColumnElement, case, delete, exists, select, update
from sqlalchemy.orm import Session

from db.core.clock import now
from db.core.states import FINAL
from db.tables.access import AuditEntry
from db.tables.jobs import EventCounter, Job, JobEvent

ENTRY_BATCH_SIZE = 1000
JOB_BATCH_SIZE = 50
DETAILS = ("phase", "progress", "resumed", "output_progress")
"""The kinds of events that are deleted. Attempts are derived from ``status`` events, so these are
kept."""


class OldRowRepository:
    """Deletes old rows; never commits."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def delete_audit_entries(self, kept: timedelta) -> int:
        """Delete a batch of audit entries older than ``kept``; return how many were deleted."""
        old = select(AuditEntry.id).where(AuditEntry.created_at < now(-kept))
        ids = self._session.scalars(old.order_by(AuditEntry.created_at).limit(ENTRY_BATCH_SIZE))
        deleted = delete(AuditEntry).where(AuditEntry.id.in_(ids.all())).returning(AuditEntry.id)
        return len(
            self._session.scalars(deleted.execution_options(synchronize_session=False)).all()
        )

    def jobs_with_details(self, kept: timedelta, after: str = "") -> list[str]:
        """Return the ids of a batch of jobs that ended longer ago than ``kept``, in order.

        Only jobs that still have events of the kinds `DETAILS` are returned, and only ids after
        ``after``: the jobs before need not be looked at again.
        """
        has_details = exists().where(JobEvent.job_id == Job.id, _IS_DETAIL)
        jobs = select(Job.id).where(*_ended(kept), has_details, Job.id > after)
        return list(self._session.scalars(jobs.order_by(Job.id).limit(JOB_BATCH_SIZE)))

    def delete_details(self, job_ids: Sequence[str], kept: timedelta) -> int:
        """Delete the jobs' events of the kinds `DETAILS`; return how many were deleted.

        Jobs that were retried since `jobs_with_details` returned them are skipped, and so are jobs
        that another transaction has locked. The others stay locked until the transaction ends, so
        that none is retried meanwhile.
        """
        jobs = select(Job.id).where(Job.id.in_(job_ids), *_ended(kept))
        ids = self._session.scalars(jobs.with_for_update(skip_locked=True)).all()
        details = delete(JobEvent).where(JobEvent.job_id.in_(ids), _IS_DETAIL)
        deleted = details.returning(JobEvent.position).execution_options(synchronize_session=False)
        positions = [
            position for position in self._session.scalars(deleted) if position is not None
        ]
        if positions:
            last = max(positions)
            highest = case((EventCounter.deleted_to < last, last), else_=EventCounter.deleted_to)
            self._session.execute(update(EventCounter).values(deleted_to=highest))
        return len(positions)


_IS_DETAIL: ColumnElement[bool] = JobEvent.kind.in_(DETAILS) & JobEvent.position.is_not(None)


def _ended(kept: timedelta) -> tuple[ColumnElement[bool], ...]:
    return Job.status.in_(FINAL), Job.finished_at < now(-kept)
