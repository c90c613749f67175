"""What every repository of jobs shares: one row, changed by one conditional UPDATE."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, func, insert, select, update
from sqlalchemy.orm import Session

from db.core.clock import now
from db.core.errors import JobNotFoundError
from db.events.transitions import LEASE
from db.tables.base import Document
from db.tables.jobs import Job, JobEvent


class JobRows:
    """Jobs in one session, which this never commits."""

    def __init__(self, session: Session, *, lease: timedelta = LEASE) -> None:
        self._session, self._lease = session, lease

    def get(self, job_id: str, *, locked: bool = False) -> Job:
        """Return the job as the database has it now.

        Args:
            job_id: which job.
            locked: whether it stays like that until the transaction ends.

        Raises:
            JobNotFoundError: there is none.
        """
        job = self._session.get(Job, job_id, populate_existing=True, with_for_update=locked)
        if job is None:
            raise JobNotFoundError(job_id)
        return job

    def _change(
        self, job_id: str, *where: ColumnElement[bool], values: Mapping[str, Any]
    ) -> Job | None:
        """Change what a caller can see where all conditions hold: that makes a new version.

        None says that they did not hold.
        """
        seen = {"version": Job.version + 1, "updated_at": now()}
        return self._update(job_id, *where, values={**seen, **values})

    def _update(
        self, job_id: str, *where: ColumnElement[bool], values: Mapping[str, Any]
    ) -> Job | None:
        """Change what no caller sees, so that the job's version and its ETag stay."""
        return self._session.scalar(
            update(Job)
            .where(Job.id == job_id, *where)
            .values(**values)
            .returning(Job)
            .execution_options(populate_existing=True, synchronize_session=False)
        )

    def _record(self, job: Job, kind: str, data: Document | None = None) -> None:
        """Write the job's next event.

        Call it after the UPDATE: the row lock that one holds keeps two writers from one number.
        """
        last = select(func.max(JobEvent.seq)).where(JobEvent.job_id == job.id)
        self._session.execute(
            insert(JobEvent).values(
                job_id=job.id,
                seq=func.coalesce(last.scalar_subquery(), 0) + 1,
                kind=kind,
                status=job.status,
                phase=job.phase,
                attempt=job.attempt,
                data=data or {},
            )
        )
