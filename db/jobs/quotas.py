"""The usage of each API key, computed from its jobs and datasets, and the quotas that limit it."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from itertools import groupby

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session

from db.access.keys import Quotas
from db.core.clock import now
from db.core.errors import QuotaExceededError
from db.core.states import FINAL, HELD, JobState
from db.tables.access import ApiKey
from db.tables.artifacts import Artifact
from db.tables.datasets import Dataset
from db.tables.jobs import Job, JobEvent

WINDOW = timedelta(days=30)


@dataclass(frozen=True)
class Usage:
    """The amount of each quota that a key currently uses.

    Attributes:
        jobs_in_flight: the number of its jobs that have not ended.
        gpu_hours: the number of hours for which workers held its jobs in the last 30 days.
        artifact_bytes: the total size of its jobs' files and of its uploaded datasets.
    """

    jobs_in_flight: int
    gpu_hours: float
    artifact_bytes: int


class QuotaRepository:
    """Computes usage and enforces quotas; never commits."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def usage(self, key_id: str) -> Usage:
        return Usage(self._in_flight(key_id), self._gpu_hours(key_id), self._bytes(key_id))

    def check_jobs(self, key_id: str | None, jobs: int = 1) -> None:
        """Check that a key's quotas allow ``jobs`` more jobs.

        The key's row stays locked until the transaction ends, so that concurrent requests are
        checked one after another.

        Raises:
            QuotaExceededError: a quota does not allow the jobs.
        """
        if key_id is None or (key := self._locked(key_id)) is None:
            return
        count = {
            "jobs_in_flight": self._in_flight,
            "gpu_hours": self._gpu_hours,
            "artifact_bytes": self._bytes,
        }
        for quota, allowed in asdict(Quotas.of(key)).items():
            if allowed is None:
                continue
            used, last = count[quota](key_id), jobs - 1 if quota == "jobs_in_flight" else 0
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

    def _locked(self, key_id: str) -> ApiKey | None:
        query = select(ApiKey).where(ApiKey.id == key_id).with_for_update()
        return self._session.scalar(query)

    def _in_flight(self, key_id: str) -> int:
        running = Job.status.in_([state for state in JobState if state not in FINAL])
        query = select(func.count()).where(Job.created_by == key_id, running)
        return self._session.scalar(query) or 0

    def _bytes(self, key_id: str) -> int:
        query = select(func.sum(Artifact.size_bytes)).join(Job, Job.id == Artifact.job_id)
        stored = query.where(Job.created_by == key_id, Artifact.deleted_by.is_(None))
        artifacts = self._session.scalar(stored)
        uploads = select(func.sum(Dataset.size_bytes)).where(Dataset.created_by == key_id)
        return int(artifacts or 0) + int(self._session.scalar(uploads) or 0)

    def _gpu_hours(self, key_id: str) -> float:
        until = self._session.scalars(select(now())).one()
        since = until - WINDOW
        total = timedelta(0)
        changed = transitions(Job.created_by == key_id, Job.updated_at >= since)
        rows = self._session.execute(changed)
        for _, changes in groupby(rows, key=lambda row: row[0]):
            total += held_time(((row.at, row.status) for row in changes), since, until)
        return round(total / timedelta(hours=1), 4)


def held_time(
    changes: Iterable[tuple[datetime, JobState]], since: datetime, until: datetime
) -> timedelta:
    """Return how long workers held a job between ``since`` and ``until``.

    Args:
        changes: the time and the new state of each of the job's transitions, oldest first.
        since: the start of the period.
        until: the end of the period.
    """
    total, start = timedelta(0), None
    for at, status in changes:
        if status in HELD:
            start = start or max(at, since)
        elif start is not None:
            total += max(at - start, timedelta(0))
            start = None
    return total if start is None else total + max(until - start, timedelta(0))


def transitions(*where: ColumnElement[bool]) -> Select[str, datetime, JobState]:
    """Return the query for the transitions of the jobs that meet all conditions.

    They are ordered by job and time.
    """
    query = select(JobEvent.job_id, JobEvent.at, JobEvent.status).join(Job).where(*where)
    return query.where(JobEvent.kind == "status").order_by(JobEvent.job_id, JobEvent.seq)
