"""Estimates, requested by the API and computed by a process that can run the planner."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, delete, exists, func, or_, select, update
from sqlalchemy.orm import Session

from db.core.clock import now, was_set_back
from db.core.errors import EstimateNotFoundError
from db.core.problem import Problem
from db.core.states import JobState
from db.jobs.costs import cost_refusal
from db.jobs.result_models import ResultModelRepository
from db.jobs.search import search_columns
from db.problems.catalogue import refusal_problem
from db.problems.resources import ESTIMATE_OVERDUE
from db.scheduling.pending_checks import LONGEST, CheckRepository
from db.spec.inputs.references import is_on_hub
from db.spec.prune_spec import PruneSpec
from db.spec.quality_gate import metric_value
from db.tables.base import Document
from db.tables.jobs import Estimate, Job
from db.tables.trials import TRIAL

RESULT_VALID_FOR = timedelta(minutes=5)
"""How long a result is reused; after that, the machine may be busier, or less busy."""
ERROR_VALID_FOR = timedelta(seconds=10)
KEPT_FOR = timedelta(days=1)
OVERDUE_AFTER = timedelta(seconds=60)
_OVERDUE = f"The planner did not finish within {OVERDUE_AFTER.total_seconds():g} seconds."
_BUSY = (
    "The machine is busy, or its disk is slow: try again later. The job itself can be submitted "
    "meanwhile."
)
RECENT_JOBS = 50
"""How many of the most recent succeeded jobs are used to correct predicted times."""


@dataclass(frozen=True)
class TimedJob:
    """The time that a finished job was predicted to take, and the time that it took.

    Attributes:
        predicted_s: the predicted seconds, on an idle machine.
        seconds: the measured seconds, without those in which the job waited for a processor.
        finished_at: when the job had succeeded.
    """

    predicted_s: float
    seconds: float
    finished_at: datetime

    @property
    def ratio(self) -> float:
        """The measured time as a multiple of the predicted time."""
        return self.seconds / self.predicted_s


class EstimateRepository:
    """Requests, claims and completes estimates; never commits."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def request(self, spec: PruneSpec, key_id: str | None = None) -> Estimate:
        """Return a valid or unfinished estimate for this specification, or insert a new one.

        An estimate that uses a secret of the API key ``key_id`` is for requests with this key only.
        """
        return self.find_or_create(spec, key_id)[0]

    def find_or_create(self, spec: PruneSpec, key_id: str | None = None) -> tuple[Estimate, bool]:
        """Return the estimate as `request` does, and whether it is new."""
        owner = None if spec.model_secret is None else key_id
        # The digest of its jobs, which is that of the files if the model is a result.
        result = ResultModelRepository(self._session).digest(spec.model)
        spec_digest = search_columns(spec, None, result_digest=result)["spec_digest"]
        is_valid = or_(
            Estimate.answer.is_not(None) & (Estimate.finished_at > now(-RESULT_VALID_FOR)),
            Estimate.error.is_not(None) & (Estimate.finished_at > now(-ERROR_VALID_FOR)),
            Estimate.finished_at.is_(None) & (Estimate.created_at > now(-LONGEST)),
        )
        is_same = Estimate.spec_digest == spec_digest, Estimate.created_by == owner
        query = select(Estimate).where(*is_same, is_valid)
        estimate = self._session.scalar(query.order_by(Estimate.created_at.desc()).limit(1))
        if estimate is not None:
            return estimate, False
        made = Estimate(spec_digest=spec_digest, spec=spec.stored(), created_by=owner)
        self._session.add(made)
        self._session.flush()
        return made, True

    def delete(self, estimate_id: str) -> None:
        """Delete an estimate, if it exists."""
        self._session.execute(delete(Estimate).where(Estimate.id == estimate_id))

    def get(self, estimate_id: str) -> Estimate:
        """Return the estimate's current row.

        Raises:
            EstimateNotFoundError: there is no such estimate.
        """
        estimate = self._session.get(Estimate, estimate_id, populate_existing=True)
        if estimate is None:
            raise EstimateNotFoundError(estimate_id)
        return estimate

    def has_unfinished(self) -> bool:
        return bool(self._session.scalar(select(exists().where(Estimate.finished_at.is_(None)))))

    def has_pending(self) -> bool:
        """Return whether any estimate has not been claimed yet."""
        return bool(self._session.scalar(select(exists().where(*_IS_PENDING))))

    def claim_next(self) -> Estimate | None:
        """Claim the oldest pending estimate; concurrent callers get different ones."""
        oldest = select(Estimate.id).where(*_IS_PENDING).order_by(Estimate.created_at).limit(1)
        estimate_id = self._session.scalar(oldest.with_for_update(skip_locked=True))
        if estimate_id is None:
            return None
        return self._session.scalar(
            update(Estimate)
            .where(Estimate.id == estimate_id, *_IS_PENDING)
            .values(started_at=now())
            .returning(Estimate)
            .execution_options(populate_existing=True, synchronize_session=False)
        )

    def complete(self, estimate_id: str, result: Document) -> None:
        """Store the result, unless the estimate has timed out.

        Jobs with this specification that wait for it fail if it is above their bound of the cost,
        and know how much memory they will need.
        """
        estimate = self._session.get(Estimate, estimate_id, populate_existing=True)
        if estimate is not None and estimate.finished_at is None:
            self._finish(estimate_id, {"answer": result})
            ids = [job.id for job in CheckRepository(self._session).unstarted(estimate)]
            planned = update(Job).values(planned_memory_bytes=needed_memory(result))
            self._session.execute(planned.where(Job.id.in_(ids)))
            if (seconds := result.get("seconds")) is not None:
                self._refuse_costly(estimate, seconds["p90"])

    def fail(self, estimate_id: str, problem: Problem) -> None:
        """Store the reason why there is no result, unless the estimate has timed out.

        Jobs with this specification that no worker has started fail for the same reason, unless it
        may pass.
        """
        estimate = self.get(estimate_id)
        if estimate.finished_at is None:
            self._finish(estimate_id, {"error": problem.model_dump(mode="json")})
            CheckRepository(self._session).apply_refusal(estimate, problem)

    def timed_jobs(self) -> list[TimedJob]:
        """Return the recent succeeded jobs whose time was predicted, the newest first."""
        ended = select(Job.result, func.coalesce(Job.finished_at, Job.created_at)).where(
            Job.status == JobState.succeeded, Job.method != TRIAL
        )
        recent = ended.order_by(Job.created_at.desc(), Job.id.desc()).limit(RECENT_JOBS)
        rows = self._session.execute(recent)
        jobs = (_timed_job(result or {}, finished_at) for result, finished_at in rows)
        return [job for job in jobs if job is not None]

    def running_jobs(self) -> int:
        """Return the number of jobs that run now."""
        running = select(func.count()).where(Job.status == JobState.running)
        return self._session.scalar(running) or 0

    def fail_overdue(self) -> bool:
        """Fail the estimates that take too long and delete old ones; return whether any failed."""
        started = Estimate.started_at
        is_overdue = or_(started < now(-OVERDUE_AFTER), was_set_back(started))
        waiting = select(Estimate).where(Estimate.finished_at.is_(None), is_overdue)
        overdue = list(self._session.scalars(waiting))
        for estimate in overdue:
            hint = None if is_on_hub(estimate.spec["model"]) else _BUSY
            self.fail(estimate.id, ESTIMATE_OVERDUE.problem(_OVERDUE, hint=hint))
        self._session.execute(delete(Estimate).where(Estimate.created_at < now(-KEPT_FOR)))
        return bool(overdue)

    def _refuse_costly(self, estimate: Estimate, likely_s: float) -> None:
        # Without an estimate, the bound itself was reserved.
        unestimated = (
            Job.likely_cost == Job.max_cost,
            Job.hourly_price * likely_s / 3600 > Job.max_cost,
        )
        checks = CheckRepository(self._session)
        for job in checks.unstarted(estimate, *unestimated):
            if job.price is not None and job.max_cost is not None:
                refused = cost_refusal(job.price, likely_s, job.max_cost)
                checks.apply_refusal(estimate, refusal_problem(refused), Job.id == job.id)

    def _finish(self, estimate_id: str, values: Document) -> None:
        self._session.execute(
            update(Estimate)
            .where(Estimate.id == estimate_id, Estimate.finished_at.is_(None))
            .values(finished_at=now(), **values)
            .execution_options(synchronize_session=False)
        )


def needed_memory(answer: Mapping[str, Any]) -> int | None:
    """Return the bytes that a plan needs on a worker's device, or else in its main memory."""
    memory: Mapping[str, int] = answer.get("memory", {})
    return memory.get("device_bytes") or memory.get("host_bytes")


def planned_memory(session: Session, spec_digest: str) -> int | None:
    """Return what the latest plan of a specification needs; None without one."""
    answer = session.connection().scalar(_LATEST_ANSWER, {"spec_digest": spec_digest})
    return None if answer is None else needed_memory(answer)


def _timed_job(metrics: Document, finished_at: datetime) -> TimedJob | None:
    names = ("prune_seconds", "evaluate_seconds", "predicted_seconds")
    pruning, evaluating, predicted = (metric_value(metrics, name) for name in names)
    if pruning is None or evaluating is None or not predicted:
        return None
    seconds = pruning + evaluating + (metric_value(metrics, "recovery.seconds") or 0.0)
    waiting = metric_value(metrics, "waiting_share") or 0.0
    return TimedJob(predicted, seconds * (1 - waiting), finished_at)


_LATEST_ANSWER = (
    select(Estimate.answer)
    .where(Estimate.spec_digest == bindparam("spec_digest"), Estimate.answer.is_not(None))
    .order_by(Estimate.created_at.desc())
    .limit(1)
)
_IS_PENDING = (Estimate.finished_at.is_(None), Estimate.started_at.is_(None))
