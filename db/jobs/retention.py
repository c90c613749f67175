"""What is deleted because it was kept long enough, a part at a time."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import ColumnElement, case, delete, exists, select, update
from sqlalchemy.orm import Session

from db.core.clock import now
from db.core.states import FINAL
from db.tables.access import AuditEntry
from db.tables.jobs import EventCounter, Job, JobEvent

ENTRIES_AT_ONCE = 1000
JOBS_AT_ONCE = 50
DETAILS = ("phase", "progress", "resumed")
"""Events that are deleted; ``status``, from which attempts and webhooks are read, is not."""


class RetentionRepository:
    """Old rows in one session, which this never commits."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def prune_audit(self, kept: timedelta) -> int:
        """Delete some entries older than ``kept``, and return how many that were."""
        old = select(AuditEntry.id).where(AuditEntry.created_at < now(-kept))
        ids = self._session.scalars(old.order_by(AuditEntry.created_at).limit(ENTRIES_AT_ONCE))
        gone = delete(AuditEntry).where(AuditEntry.id.in_(ids.all())).returning(AuditEntry.id)
        return len(self._session.scalars(gone.execution_options(synchronize_session=False)).all())

    def jobs_with_details(self, kept: timedelta) -> list[str]:
        """Return some jobs that ended longer ago than ``kept`` and still have their details."""
        has_details = exists().where(JobEvent.job_id == Job.id, _IS_DETAIL)
        jobs = select(Job.id).where(*_ended(kept), has_details).limit(JOBS_AT_ONCE)
        return list(self._session.scalars(jobs))

    def prune_events(self, job_ids: Sequence[str], kept: timedelta) -> int:
        """Delete the details of those jobs that are still over, and return how many they were.

        The jobs stay locked, so that none is queued again meanwhile.
        """
        jobs = select(Job.id).where(Job.id.in_(job_ids), *_ended(kept))
        ids = self._session.scalars(jobs.with_for_update(skip_locked=True)).all()
        details = delete(JobEvent).where(JobEvent.job_id.in_(ids), _IS_DETAIL)
        gone = details.returning(JobEvent.position).execution_options(synchronize_session=False)
        places = [place for place in self._session.scalars(gone) if place is not None]
        if places:
            last = max(places)
            highest = case((EventCounter.pruned < last, last), else_=EventCounter.pruned)
            self._session.execute(update(EventCounter).values(pruned=highest))
        return len(places)


_IS_DETAIL: ColumnElement[bool] = JobEvent.kind.in_(DETAILS) & JobEvent.position.is_not(None)


def _ended(kept: timedelta) -> tuple[ColumnElement[bool], ...]:
    return Job.status.in_(FINAL), Job.finished_at < now(-kept)
