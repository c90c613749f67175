"""What a key has used, counted from the rows of the jobs and datasets that it made."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from itertools import groupby

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from db.access.keys import Quotas
from db.core.clock import now
from db.core.errors import QuotaExceededError
from db.core.states import FINAL, HELD, JobState
from db.tables.access import ApiKey
from db.tables.datasets import Dataset
from db.tables.jobs import Artifact, Job, JobEvent

WINDOW = timedelta(days=30)


@dataclass(frozen=True)
class Usage:
    """How much there is of everything a quota bounds."""

    jobs_in_flight: int
    gpu_hours: float
    artifact_bytes: int


class QuotaRepository:
    """The jobs in one session, as what they cost."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def usage(self, key_id: str) -> Usage:
        """Return what a key has used."""
        return Usage(self._in_flight(key_id), self._gpu_hours(key_id), self._bytes(key_id))

    def require_room(self, key_id: str | None, jobs: int = 1) -> None:
        """Hold a key's use against its quotas, before it gets so many jobs more.

        The key's row stays locked until the transaction ends, so that two requests cannot both
        take the last place.

        Raises:
            QuotaExceededError: there is no room.
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

    def require_bytes(self, key_id: str | None, size_bytes: int) -> None:
        """Hold a key's files against its quota, before it gets one more of this size.

        The key's row stays locked until the transaction ends.

        Raises:
            QuotaExceededError: there is no room.
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
        made = self._session.scalar(query.where(Job.created_by == key_id))
        uploads = select(func.sum(Dataset.size_bytes)).where(Dataset.created_by == key_id)
        return int(made or 0) + int(self._session.scalar(uploads) or 0)

    def _gpu_hours(self, key_id: str) -> float:
        until = self._session.scalars(select(now())).one()
        since = until - WINDOW
        total = timedelta(0)
        rows = self._session.execute(_changes(key_id, since))
        for _, changes in groupby(rows, key=lambda row: row[0]):
            total += held(((row.at, row.status) for row in changes), since, until)
        return round(total / timedelta(hours=1), 4)


def held(
    changes: Iterable[tuple[datetime, JobState]], since: datetime, until: datetime
) -> timedelta:
    """Return how long workers held a job between two moments, given its changes of state."""
    total, start = timedelta(0), None
    for at, status in changes:
        if status in HELD:
            start = start or max(at, since)
        elif start is not None:
            total += max(at - start, timedelta(0))
            start = None
    return total if start is None else total + max(until - start, timedelta(0))


def _changes(key_id: str, since: datetime) -> Select[str, datetime, JobState]:
    """Return the query for the changes of state of a key's jobs that were at work since then."""
    query = select(JobEvent.job_id, JobEvent.at, JobEvent.status).join(Job)
    query = query.where(Job.created_by == key_id, Job.updated_at >= since)
    return query.where(JobEvent.kind == "status").order_by(JobEvent.job_id, JobEvent.seq)
