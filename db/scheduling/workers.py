"""The registry of workers and their heartbeats."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Table,
    case,
    delete,
    exists,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Session

from db.core.clock import now
from db.core.errors import WorkerNotFoundError
from db.core.states import HELD, JobState
from db.tables.jobs import Job, Worker

HEARTBEAT_EVERY = timedelta(seconds=3)
SILENT_AFTER = timedelta(seconds=8)
"""By then, two heartbeats are missing and a third is nearly due."""
LOST_AFTER = timedelta(seconds=60)
DELETED_AFTER = timedelta(days=1)
STATES = ("idle", "busy", "draining", "silent", "lost")


@dataclass(frozen=True)
class WorkerStatus:
    """One worker with its derived state.

    Attributes:
        is_alive: whether its last heartbeat is at most `LOST_AFTER` old. A heartbeat that lies
            further than that in the future counts as old: the clock was set back after it.
        silence: the time since its last heartbeat, or since the lease of its running job was last
            renewed, whichever is longer.
        job_id: the job that it holds, if any.
    """

    worker: Worker
    is_alive: bool
    silence: timedelta
    job_id: str | None

    @property
    def state(self) -> str:
        """One of ``STATES``."""
        if not self.is_alive:
            return "lost"
        if self.silence > SILENT_AFTER:
            return "silent"
        if self.worker.draining:
            return "draining"
        return "idle" if self.job_id is None else "busy"


class WorkerRepository:
    """Registers workers and reads their states; never commits."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def register(self, worker: Worker) -> None:
        """Insert a worker in place of an earlier one of the same name."""
        self._session.execute(delete(Worker).where(Worker.name == worker.name))
        self.add(worker)

    def add(self, worker: Worker) -> None:
        self._session.add(worker)
        self._session.flush()

    def heartbeat(self, worker_id: str, **usage: float | None) -> Worker | None:
        """Record a heartbeat in the worker's row, and return the row; None if it is missing.

        The caller has to insert a missing row again. ``usage`` sets the columns of the worker's
        load, used memory and temperature.
        """
        return self._set(worker_id, heartbeat_at=now(), **usage)

    def set_device(self, worker_id: str, device: str, memory_bytes: int) -> None:
        self._set(worker_id, device=device, memory_bytes=memory_bytes)

    def set_job(self, worker_id: str, job_id: str) -> None:
        """Set the worker's job, and clear that job from all other workers."""
        mine = case((Worker.id == worker_id, job_id), else_=null())
        self._session.execute(
            update(Worker)
            .where(or_(Worker.id == worker_id, Worker.job_id == job_id))
            .values(job_id=mine)
            .execution_options(synchronize_session=False)
        )

    def remove(self, worker_id: str) -> None:
        """Delete a worker's row. The worker calls this when it shuts down."""
        self._session.execute(delete(Worker).where(Worker.id == worker_id))

    def set_draining(self, worker_id: str, draining: bool) -> WorkerStatus:
        """Stop a worker from claiming further jobs, or let it claim them again.

        Raises:
            WorkerNotFoundError: there is no such worker.
        """
        if self._set(worker_id, draining=draining) is None:
            raise WorkerNotFoundError(worker_id)
        return self.get(worker_id)

    def get(self, worker_id: str) -> WorkerStatus:
        """Return one worker.

        Raises:
            WorkerNotFoundError: there is no such worker.
        """
        for status in self._found(Worker.id == worker_id):
            return status
        raise WorkerNotFoundError(worker_id)

    def all(self) -> list[WorkerStatus]:
        """Return all workers, ordered by name."""
        return self._found()

    def alive_queues(self) -> set[str]:
        """Return the queues that at least one live worker serves."""
        return {
            queue for status in self._found() if status.is_alive for queue in status.worker.queues
        }

    def delete_lost(self) -> None:
        """Delete the workers without a heartbeat for `DELETED_AFTER`."""
        self._session.connection().execute(_DELETE_LOST)

    def _found(self, *where: ColumnElement[bool]) -> list[WorkerStatus]:
        held = (Job.id == Worker.job_id) & Job.status.in_(HELD)
        # Release 0.1.0 does not renew the lease of a job that is to stop.
        leased_at = case((Job.status == JobState.running, Job.leased_at))
        query = select(Worker, is_alive().label("is_alive"), now(), Job.id, leased_at)
        query = query.outerjoin(Job, held).where(*where)
        rows = self._session.execute(
            query.order_by(Worker.name, Worker.id), execution_options={"populate_existing": True}
        )
        return [
            WorkerStatus(worker, bool(alive), _silence(worker, leased_at, moment), job_id)
            for worker, alive, moment, job_id, leased_at in rows
        ]

    def _set(self, worker_id: str, **values: object) -> Worker | None:
        return self._session.scalar(
            update(Worker)
            .where(Worker.id == worker_id)
            .values(**values)
            .returning(Worker)
            .execution_options(populate_existing=True, synchronize_session=False)
        )


_WORKERS = cast("Table", Worker.__table__)
_DELETE_LOST = delete(_WORKERS).where(_WORKERS.c.heartbeat_at < now(-DELETED_AFTER))


def _silence(worker: Worker, leased_at: datetime | None, moment: datetime) -> timedelta:
    oldest = worker.heartbeat_at if leased_at is None else min(worker.heartbeat_at, leased_at)
    return max(moment - oldest, timedelta(0))


def is_alive(worker: type[Worker] = Worker) -> ColumnElement[bool]:
    """Return SQL for whether a worker's last heartbeat is recent.

    A heartbeat in the future was written before the clock was set back.
    """
    return worker.heartbeat_at.between(now(-LOST_AFTER), now(LOST_AFTER))


def is_draining(worker_id: BindParameter[str | None]) -> ColumnElement[bool]:
    """Return SQL for whether the worker was told to claim no further jobs."""
    return exists().where(Worker.id == worker_id, Worker.draining)
