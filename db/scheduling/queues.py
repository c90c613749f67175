"""Queues: which of the waiting jobs is next, and how long each queue is."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.core.clock import now
from db.core.states import HELD, JobState
from db.scheduling.fair_shares import count_ahead, in_turn
from db.scheduling.sweep_concurrency import has_turn
from db.tables.jobs import Job

NEAR = 1000


@dataclass(frozen=True)
class QueueDepth:
    """One queue that some job waits in, or is held from.

    Attributes:
        queued: how many jobs wait.
        running: how many of its jobs a worker holds.
        oldest_queued_at: when the one that waits longest was made.
        oldest_age_s: how long ago that was, by the database's clock.
    """

    queued: int = 0
    running: int = 0
    oldest_queued_at: datetime | None = None
    oldest_age_s: float | None = None


class QueueRepository:
    """The waiting jobs in one session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def most_urgent(self, queues: Sequence[str]) -> str | None:
        """Return the queued job to take next: of the highest priority, of the key that is next.

        The row stays locked until the transaction ends, so that two workers take two jobs.
        """
        waiting = (Job.status == JobState.queued, Job.queue.in_(queues), has_turn())
        for own in in_turn(self._session, waiting):
            oldest = select(Job.id).where(*own).order_by(Job.created_at, Job.id).limit(1)
            job_id = self._session.scalar(oldest.with_for_update(skip_locked=True, of=Job))
            if job_id is not None:
                return job_id
        return None

    def has_queued(self, queues: Sequence[str]) -> bool:
        """Whether any job waits in these queues that may be taken now."""
        waiting = (Job.status == JobState.queued, Job.queue.in_(queues), has_turn())
        return self._session.scalar(select(Job.id).where(*waiting).limit(1)) is not None

    def waiting(self) -> dict[str, int]:
        """Return how many jobs of each queue may be taken now."""
        query = select(Job.queue, func.count()).where(Job.status == JobState.queued, has_turn())
        return dict(self._session.execute(query.group_by(Job.queue)).all())

    def position(self, job: Job) -> int | None:
        """Return the job's place in its queue, from 1; None where it does not wait."""
        return None if job.status != JobState.queued else 1 + count_ahead(self._session, job, None)

    def near_position(self, job: Job) -> int | None:
        """Return the job's place among the first ``NEAR`` of its queue, from 1; else None.

        However long the queue is, at most that many of its jobs are counted.
        """
        if job.status != JobState.queued:
            return None
        ahead = count_ahead(self._session, job, NEAR)
        return None if ahead == NEAR else 1 + ahead

    def queue_of(self, job_id: str) -> str | None:
        """Return the queue of a job; None where there is no such job."""
        return self._session.scalar(select(Job.queue).where(Job.id == job_id))

    def depths(self) -> dict[str, QueueDepth]:
        """Return how long each queue with unfinished jobs is."""
        held = self._session.execute(
            select(Job.queue, func.count()).where(Job.status.in_(HELD)).group_by(Job.queue)
        )
        running: dict[str, int] = dict(held.all())
        query = select(Job.queue, func.count(), func.min(Job.created_at), now())
        query = query.where(Job.status == JobState.queued).group_by(Job.queue)
        found = {queue: QueueDepth(running=count) for queue, count in running.items()}
        for queue, queued, oldest, moment in self._session.execute(query):
            age_s = max(0.0, (moment - oldest).total_seconds())
            found[queue] = QueueDepth(queued, running.get(queue, 0), oldest, age_s)
        return found
