"""The usage of each API key, computed from its jobs and datasets, and the quotas that limit it."""

from dataclasses import asdict, dataclass
from datetime import timedelta

from sqlalchemy import Select, bindparam, func, select
from sqlalchemy.orm import Session

from db.access.keys import Quotas
from db.core.access_errors import BudgetExceededError, QuotaExceededError
from db.core.clock import now
from db.core.states import FINAL, JobState
from db.events.transitions import is_in
from db.jobs.costs import CostRepository
from db.jobs.held_time import held_times
from db.tables.access import ApiKey
from db.tables.artifacts import Artifact
from db.tables.datasets import Dataset
from db.tables.jobs import Job

WINDOW = timedelta(days=30)


@dataclass(frozen=True)
class Usage:
    """The amount of each quota that a key currently uses.

    Attributes:
        jobs_in_flight: the number of its jobs that have not ended.
        gpu_hours: the number of hours for which workers held its jobs in the last 30 days.
        artifact_bytes: the total size of its jobs' files and of its uploaded datasets.
        monthly_cost: what its jobs have cost in the present calendar month.
    """

    jobs_in_flight: int
    gpu_hours: float
    artifact_bytes: int
    monthly_cost: float


class QuotaRepository:
    """Computes usage and enforces quotas; never commits."""

    def __init__(self, session: Session) -> None:
        self._session, self._costs = session, CostRepository(session)

    def usage(self, key_id: str) -> Usage:
        spent = self._costs.spent(key_id, *self._costs.month())
        return Usage(
            self._in_flight(key_id), self._gpu_hours(key_id), self._bytes(key_id), round(spent, 4)
        )

    def check_jobs(self, key_id: str | None, jobs: int = 1, likely_cost: float = 0.0) -> None:
        """Check that a key's quotas allow ``jobs`` more jobs, which likely cost this in all.

        The key's row stays locked until the transaction ends, so that concurrent requests are
        checked one after another.

        Raises:
            QuotaExceededError: a quota does not allow the jobs.
        """
        if key_id is None or (key := self._locked(key_id)) is None:
            return
        self._check_budget(key, likely_cost)
        count = {
            "jobs_in_flight": self._in_flight,
            "gpu_hours": self._gpu_hours,
            "artifact_bytes": self._bytes,
        }
        quotas = asdict(Quotas.of(key))
        for quota, counted in count.items():
            if (allowed := quotas[quota]) is None:
                continue
            used, last = counted(key_id), jobs - 1 if quota == "jobs_in_flight" else 0
            if used + last >= allowed:
                raise QuotaExceededError(key.name, quota, used, allowed, jobs)

    def check_bytes(self, key_id: str | None, size_bytes: int) -> None:
        """Check that a key's storage quota allows another file of this size.

        The key's row stays locked until the transaction ends.

        Raises:
            QuotaExceededError: the quota does not allow the file.
        """
        if key_id is None or (key := self._locked(key_id)) is None:
            return
        allowed, used = Quotas.of(key).artifact_bytes, self._bytes(key_id)
        if allowed is not None and used + size_bytes > allowed:
            raise QuotaExceededError(key.name, "artifact_bytes", used, allowed)

    def has_budget(self, key_id: str | None) -> bool:
        """Whether the cost of a key's jobs is limited."""
        key = None if key_id is None else self._session.get(ApiKey, key_id)
        return key is not None and key.max_monthly_cost is not None

    def _check_budget(self, key: ApiKey, likely_cost: float) -> None:
        if (budget := key.max_monthly_cost) is None:
            return
        begin, end = self._costs.month()
        spent, reserved = self._costs.spent(key.id, begin, end), self._costs.reserved(key.id)
        left = budget - spent - reserved
        if left <= 0 or likely_cost > left:
            raise BudgetExceededError(key.name, budget, spent, reserved, likely_cost, end)

    def _locked(self, key_id: str) -> ApiKey | None:
        return self._session.scalar(_LOCKED, {"key": key_id})

    def _in_flight(self, key_id: str) -> int:
        return self._session.connection().scalar(_IN_FLIGHT, {"key": key_id}) or 0

    def _bytes(self, key_id: str) -> int:
        query = select(func.sum(Artifact.size_bytes)).join(Job, Job.id == Artifact.job_id)
        stored = query.where(Job.created_by == key_id, Artifact.deleted_by.is_(None))
        artifacts = self._session.scalar(stored)
        uploads = select(func.sum(Dataset.size_bytes)).where(Dataset.created_by == key_id)
        return int(artifacts or 0) + int(self._session.scalar(uploads) or 0)

    def _gpu_hours(self, key_id: str) -> float:
        until = self._session.scalars(select(now())).one()
        since = until - WINDOW
        times = held_times(self._session, since, until, Job.created_by == key_id)
        total = sum(times.values(), start=timedelta(0))
        return round(total / timedelta(hours=1), 4)


_LOCKED = select(ApiKey).where(ApiKey.id == bindparam("key")).with_for_update()
_IN_FLIGHT: Select[int] = select(func.count()).where(
    Job.created_by == bindparam("key"), is_in(*(state for state in JobState if state not in FINAL))
)
