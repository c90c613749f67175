"""Sweeps: one request for many jobs that differ in how one model is pruned."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.core.errors import IllegalTransitionError, SweepNotFoundError
from db.core.states import FINAL, JobState
from db.jobs.commands import JobCommands
from db.jobs.quotas import QuotaRepository
from db.jobs.repository import JobRepository, NewJob
from db.scheduling.sweep_concurrency import is_runnable
from db.spec.prune_spec import PruneSpec
from db.tables.base import Document
from db.tables.jobs import Job, Sweep


@dataclass(frozen=True)
class Point:
    """One job of a sweep.

    Attributes:
        varied: the fields that the sweep's grid or list of jobs sets, with this point's values.
        spec: the complete specification of the job.
        likely_cost: the cost that the job likely stays below; None if not known.
    """

    varied: Document
    spec: PruneSpec
    likely_cost: float | None = None


class SweepRepository:
    """Inserts, reads and cancels sweeps; never commits."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(
        self, points: Sequence[Point], common: NewJob, *, max_parallel: int | None = None
    ) -> Sweep:
        """Insert a sweep and a queued job for each of its points.

        Args:
            points: the points of the sweep, one for each job.
            common: a job with the fields that all jobs share; its specification is replaced by
                that of each point.
            max_parallel: how many of the jobs may run at the same time; None for no limit.

        Raises:
            QuotaExceededError: the quotas of the key ``common.created_by`` do not allow all of the
                jobs.
            SpecRefusedError: a specification names an uploaded dataset that does not exist.
        """
        new = self.check_quotas(points, common)
        sweep = Sweep(
            name=common.name,
            labels=dict(common.labels),
            varied=[point.varied for point in points],
            max_parallel=max_parallel,
        )
        self._session.add(sweep)
        self._session.flush()
        jobs = JobRepository(self._session)
        for index, job in enumerate(new):
            jobs.add_reserved(job, sweep=(sweep.id, index))
        return sweep

    def check_quotas(self, points: Sequence[Point], common: NewJob) -> list[NewJob]:
        """Return the jobs of a sweep, which ``common.created_by`` may submit.

        Raises:
            QuotaExceededError: the quotas of that key do not allow all of the jobs.
        """
        new = [replace(common, spec=one.spec, likely_cost=one.likely_cost) for one in points]
        reserved = sum(job.reserved_cost or 0.0 for job in new)
        QuotaRepository(self._session).check_jobs(common.created_by, len(new), reserved)
        return new

    def get(self, sweep_id: str) -> Sweep:
        """Return the sweep.

        Raises:
            SweepNotFoundError: there is no such sweep.
        """
        if (sweep := self._session.get(Sweep, sweep_id)) is None:
            raise SweepNotFoundError(sweep_id)
        return sweep

    def page(self, *, limit: int = 50, after: str | None = None) -> list[Sweep]:
        """Return up to ``limit`` sweeps, newest first.

        With ``after``, the id of a sweep, return only sweeps that are older than that one.
        """
        query = select(Sweep).order_by(Sweep.id.desc()).limit(limit)
        if after is not None:
            query = query.where(Sweep.id < after)
        return list(self._session.scalars(query))

    def jobs(self, sweep_id: str) -> list[Job]:
        """Return the jobs of a sweep, ordered by point."""
        query = select(Job).where(Job.sweep_id == sweep_id).order_by(Job.sweep_point)
        return list(self._session.scalars(query.execution_options(populate_existing=True)))

    def counts(self, sweep_ids: Sequence[str]) -> dict[str, dict[JobState, int]]:
        """Return the number of jobs of each sweep, by status."""
        query = select(Job.sweep_id, Job.status, func.count()).where(Job.sweep_id.in_(sweep_ids))
        counts: dict[str, dict[JobState, int]] = {sweep_id: {} for sweep_id in sweep_ids}
        for sweep_id, status, count in self._session.execute(
            query.group_by(Job.sweep_id, Job.status)
        ):
            counts[sweep_id or ""][status] = count
        return counts

    def models(self, sweep_ids: Sequence[str]) -> dict[str, str]:
        """Return the model of each sweep that still has jobs; all jobs of a sweep have the same."""
        query = select(Job.sweep_id, func.min(Job.model_key)).where(Job.sweep_id.in_(sweep_ids))
        rows = self._session.execute(query.group_by(Job.sweep_id))
        return {sweep_id or "": model for sweep_id, model in rows}

    def runnable(self, sweep_id: str) -> list[str]:
        """Return the ids of the sweep's queued jobs that may start now."""
        queued = (Job.sweep_id == sweep_id, Job.status == JobState.queued)
        query = select(Job.id).where(*queued, is_runnable(sweep_id)).order_by(Job.sweep_point)
        return list(self._session.scalars(query))

    def cancel(self, sweep_id: str) -> Sweep:
        """Cancel all unfinished jobs of a sweep; idempotent.

        Raises:
            SweepNotFoundError: there is no such sweep.
        """
        sweep = self.get(sweep_id)
        unfinished = select(Job.id).where(Job.sweep_id == sweep_id, Job.status.not_in(FINAL))
        for job_id in self._session.scalars(unfinished.order_by(Job.sweep_point)).all():
            try:
                JobCommands(self._session).cancel(job_id)
            except IllegalTransitionError:
                continue  # it ended in the meantime
        return sweep
