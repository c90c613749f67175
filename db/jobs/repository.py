"""The one repository of jobs: what a caller asks, what a worker says, what the janitor repairs."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select

from db.core.broker_names import GPU_QUEUE
from db.core.states import JobState
from db.events.event_order import PositionRepository
from db.events.job_events import EventRepository
from db.events.logs import LogRepository
from db.files.artifacts import ArtifactRepository
from db.files.datasets import DatasetRepository
from db.jobs.commands import SteeringRepository
from db.jobs.idempotency import AnswerRepository
from db.jobs.labels import copy_labels
from db.jobs.listing import ListRepository
from db.jobs.quotas import QuotaRepository
from db.jobs.search import found_by
from db.scheduling.fair_shares import join_turns
from db.scheduling.queues import QueueRepository
from db.scheduling.recovery import UpkeepRepository
from db.scheduling.transient_retries import RetryRepository
from db.spec.prune_spec import PruneSpec
from db.spec.quality_gate import Gate
from db.tables.base import Document
from db.tables.jobs import Job


class JobRepository(
    ListRepository,
    RetryRepository,
    SteeringRepository,
    UpkeepRepository,
    EventRepository,
    ArtifactRepository,
    AnswerRepository,
    QueueRepository,
    PositionRepository,
    LogRepository,
    QuotaRepository,
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
        queue: str = GPU_QUEUE,
        priority: int = 0,
        traceparent: str | None = None,
        deadline: datetime | None = None,
        created_by: str | None = None,
        gate: Gate | None = None,
        sweep: tuple[str, int] | None = None,
    ) -> Job:
        """Insert a queued job with its first event; until it is marked pushed, it is the outbox.

        Args:
            spec, name, labels, warnings, parent_id, deadline, created_by, gate: the row's fields.
            sweep: the id of the sweep that it is a point of, and which one; who makes the sweep
                asks for room for all its points at once.

        Raises:
            QuotaExceededError: the key that makes it, ``created_by``, has no room for one more.
            SpecRefusedError: an uploaded dataset that it names is not there.
        """
        if sweep is None:
            self.require_room(created_by)
        DatasetRepository(self._session).require(spec)
        sweep_id, sweep_point = sweep or (None, None)
        job = Job(
            spec=spec,
            name=name,
            labels=labels or {},
            warnings=list(warnings),
            parent_id=parent_id,
            queue=queue,
            priority=priority,
            traceparent=traceparent,
            deadline=deadline,
            created_by=created_by,
            gate=None if gate is None else gate.model_dump(mode="json"),
            sweep_id=sweep_id,
            sweep_point=sweep_point,
            **found_by(spec, name),
        )
        self._session.add(job)
        self._session.flush()
        copy_labels(self._session, job)
        join_turns(self._session, created_by)
        self._record(job, "status")
        return job

    def identical(self, spec: PruneSpec, gate: Gate | None = None) -> list[Job]:
        """Return the jobs that succeeded with exactly this specification and gate, latest first."""
        query = select(Job).where(
            Job.spec_digest == found_by(spec, None)["spec_digest"],
            Job.status == JobState.succeeded,
        )
        latest_first = query.order_by(Job.created_at.desc(), Job.id.desc())
        wanted = None if gate is None else gate.model_dump(mode="json")
        # Compared here: JSON has no equality in PostgreSQL, and such jobs are few.
        return [job for job in self._session.scalars(latest_first) if job.gate == wanted]
