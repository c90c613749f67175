"""The activity of workers and queues in the last day, sampled by the control process."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from db.core.clock import now
from db.scheduling.queues import QueueDepth, QueueRepository
from db.scheduling.workers import WorkerRepository, WorkerStatus
from db.tables.samples import QueueSample, WorkerSample

KEPT_FOR = timedelta(days=1)
STEP_MINUTES = 10
"""The length of the time span that one point of a history covers, in minutes."""


@dataclass(frozen=True)
class WorkerPoint:
    """The activity of a worker in one span of `STEP_MINUTES`.

    Attributes:
        at: the start of the span.
        busy: the share of the samples in which the worker held a job, from 0 to 1.
        load: the peak load of the worker's device, from 0 to 1; None if unknown.
    """

    at: datetime
    busy: float
    load: float | None


@dataclass(frozen=True)
class QueuePoint:
    """The activity of a queue in one span of `STEP_MINUTES`.

    Attributes:
        at: the start of the span.
        queued: the peak number of queued jobs.
        running: the peak number of jobs that workers held.
    """

    at: datetime
    queued: int
    running: int


class SampleRepository:
    """Writes and reads samples; never commits."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def record(self) -> None:
        """Add a sample of each live worker and of each queue, and delete old ones."""
        minute = self._minute()
        workers = [status for status in WorkerRepository(self._session).all() if status.is_alive]
        for status in workers:
            self._add_worker(minute, status)
        depths = QueueRepository(self._session).depths()
        served = {queue for status in workers for queue in status.worker.queues}
        for name in served | depths.keys():
            self._add_queue(minute, name, depths.get(name, QueueDepth()))
        oldest = minute - int(KEPT_FOR / timedelta(minutes=1))
        for table in (WorkerSample, QueueSample):
            self._session.execute(delete(table).where(table.minute < oldest))

    def workers(self) -> dict[str, list[WorkerPoint]]:
        """Return the history of each worker in the last day, by the worker's name."""
        step = (WorkerSample.minute // STEP_MINUTES).label("step")
        busy, all_ = func.sum(WorkerSample.busy), func.sum(WorkerSample.samples)
        query = select(WorkerSample.worker, step, busy, all_, func.max(WorkerSample.load))
        query = query.group_by(WorkerSample.worker, step).order_by(WorkerSample.worker, step)
        histories = defaultdict[str, list[WorkerPoint]](list)
        for name, at, held, samples, load in self._session.execute(query):
            histories[name].append(WorkerPoint(_moment(at), held / samples, load))
        return histories

    def queues(self) -> dict[str, list[QueuePoint]]:
        """Return the history of each queue in the last day, by the queue's name."""
        step = (QueueSample.minute // STEP_MINUTES).label("step")
        most = func.max(QueueSample.queued), func.max(QueueSample.running)
        query = select(QueueSample.queue, step, *most)
        query = query.group_by(QueueSample.queue, step).order_by(QueueSample.queue, step)
        histories = defaultdict[str, list[QueuePoint]](list)
        for name, at, queued, running in self._session.execute(query):
            histories[name].append(QueuePoint(_moment(at), queued, running))
        return histories

    def _minute(self) -> int:
        return int(self._session.scalars(select(now())).one().timestamp() // 60)

    def _add_worker(self, minute: int, status: WorkerStatus) -> None:
        name, load = status.worker.name, status.worker.load
        sample = self._session.get(WorkerSample, (name, minute))
        if sample is None:
            sample = WorkerSample(worker=name, minute=minute, samples=0, busy=0, load=None)
            self._session.add(sample)
        sample.samples += 1
        sample.busy += status.job_id is not None
        sample.load = max(filter(None, (sample.load, load)), default=load)
        self._session.flush()

    def _add_queue(self, minute: int, name: str, depth: QueueDepth) -> None:
        sample = self._session.get(QueueSample, (name, minute))
        if sample is None:
            sample = QueueSample(queue=name, minute=minute, queued=0, running=0)
            self._session.add(sample)
        sample.queued = max(sample.queued, depth.queued)
        sample.running = max(sample.running, depth.running)
        self._session.flush()


def _moment(step: int) -> datetime:
    return datetime.fromtimestamp(step * STEP_MINUTES * 60, UTC)
