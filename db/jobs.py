"""The one repository of jobs: what a caller asks, what a worker says, what the janitor repairs."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, case, null, select, true

from db.artifacts import ArtifactRepository
from db.clock import now
from db.errors import IllegalTransitionError, StaleVersionError
from db.events import EventRepository
from db.gate import Gate
from db.idempotency import AnswerRepository
from db.leases import LeaseRepository
from db.listing import ListRepository
from db.models import Document, Job
from db.search import found_by
from db.spec import PruneSpec
from db.states import JobState
from db.transitions import CANCELLED, RETRIED, choose, entering, leading_to
from db.upkeep import UpkeepRepository


class JobRepository(
    ListRepository,
    LeaseRepository,
    UpkeepRepository,
    EventRepository,
    ArtifactRepository,
    AnswerRepository,
):
    """Jobs in one session, which this never commits."""

    def add(
        self,
        spec: PruneSpec,
        *,
        name: str | None = None,
        labels: Document | None = None,
        warnings: Sequence[str] = (),
        parent_id: str | None = None,
        gate: Gate | None = None,
        sweep: tuple[str, int] | None = None,
    ) -> Job:
        """Insert a queued job with its first event; until it is marked pushed, it is the outbox.

        Args:
            spec, name, labels, warnings, parent_id, gate: the row's fields.
            sweep: the id of the sweep that it is a point of, and which one.
        """
        sweep_id, sweep_point = sweep or (None, None)
        job = Job(
            spec=spec,
            name=name,
            labels=labels or {},
            warnings=list(warnings),
            parent_id=parent_id,
            gate=None if gate is None else gate.model_dump(mode="json"),
            sweep_id=sweep_id,
            sweep_point=sweep_point,
            **found_by(spec, name),
        )
        self._session.add(job)
        self._session.flush()
        self._record(job, "status")
        return job

    def identical(self, spec: PruneSpec, gate: Gate | None = None) -> Job | None:
        """Return the latest job that succeeded with exactly this specification and gate."""
        query = select(Job).where(
            Job.spec_digest == found_by(spec, None)["spec_digest"],
            Job.status == JobState.succeeded,
        )
        latest_first = query.order_by(Job.created_at.desc(), Job.id.desc())
        wanted = None if gate is None else gate.model_dump(mode="json")
        # Compared here: JSON has no equality in PostgreSQL, and such jobs are few.
        return next(
            (job for job in self._session.scalars(latest_first) if job.gate == wanted), None
        )

    def move(self, job_id: str, wanted: JobState, **fields: Any) -> Job:
        """Change state in one statement, so that of two racing callers one wins.

        Raises:
            JobNotFoundError: there is no such job.
            IllegalTransitionError: its state does not lead to ``wanted``.
        """
        allowed = Job.status.in_(leading_to(wanted))
        job = self._change(job_id, allowed, values=entering(wanted) | fields)
        if job is None:
            raise IllegalTransitionError(job_id, self.get(job_id).status, wanted)
        self._record(job, "status")
        return job

    def cancel(self, job_id: str, *, version: int | None = None) -> Job:
        """Cancel a job, or ask its worker to; asking twice changes nothing.

        Args:
            job_id: which job.
            version: cancel only if the job is still at this version.

        Raises:
            JobNotFoundError: there is no such job.
            StaleVersionError: it is at another version.
            IllegalTransitionError: it has ended otherwise.
        """
        at_once = choose(CANCELLED) == JobState.cancelled
        job = self._change(
            job_id,
            Job.status.in_(CANCELLED),
            _is_at(version),
            values={
                "status": choose(CANCELLED),
                "finished_at": case((at_once, now()), else_=null()),
            },
        )
        if job is None:
            return self._not_cancelled(job_id, version)
        self._record(job, "status")
        return job

    def retry(self, job_id: str, *, version: int | None = None) -> Job:
        """Queue a job again that did not succeed; its crashes so far no longer count.

        Args:
            job_id: which job.
            version: retry only if the job is still at this version.

        Raises:
            JobNotFoundError: there is no such job.
            StaleVersionError: it is at another version.
            IllegalTransitionError: it has not ended, or has succeeded.
        """
        values = entering(JobState.queued) | {"crashes": 0}
        job = self._change(job_id, Job.status.in_(RETRIED), _is_at(version), values=values)
        if job is None:
            now_is = self._at(job_id, version).status
            raise IllegalTransitionError(job_id, now_is, JobState.queued)
        self._record(job, "status", {"reason": "retry"})
        return job

    def _not_cancelled(self, job_id: str, version: int | None) -> Job:
        """Return the job if it is being cancelled already; say else why it cannot be."""
        job = self._at(job_id, version)
        if job.status not in {JobState.cancelling, JobState.cancelled}:
            raise IllegalTransitionError(job_id, job.status, JobState.cancelled)
        return job

    def _at(self, job_id: str, version: int | None) -> Job:
        """Return the job, which must be at the version if there is one."""
        job = self.get(job_id)
        if version is not None and job.version != version:
            raise StaleVersionError(job_id, version, job.version)
        return job


def _is_at(version: int | None) -> ColumnElement[bool]:
    return true() if version is None else Job.version == version
