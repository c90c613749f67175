"""Who works: each worker writes down now and then that it lives, and reads whether to go on."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import ColumnElement, case, delete, exists, null, or_, select, update
from sqlalchemy.orm import Session

from db.core.clock import now
from db.core.errors import WorkerNotFoundError
from db.core.states import HELD
from db.tables.jobs import Job, Worker

LOST_AFTER = timedelta(seconds=60)
FORGOTTEN_AFTER = timedelta(days=1)
STATES = ("idle", "busy", "draining", "lost")


@dataclass(frozen=True)
class Presence:
    """One worker as others see it.

    Attributes:
        is_alive: it has been heard of within a minute.
        job_id: the job it holds, if that is still so.
    """

    worker: Worker
    is_alive: bool
    job_id: str | None

    @property
    def state(self) -> str:
        """One of ``STATES``."""
        if not self.is_alive:
            return "lost"
        if self.worker.draining:
            return "draining"
        return "idle" if self.job_id is None else "busy"


class WorkerRepository:
    """The workers in one session, which this never commits."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def start(self, worker: Worker) -> None:
        """Write a worker down in place of the one that had its name before."""
        self._session.execute(delete(Worker).where(Worker.name == worker.name))
        self.add(worker)

    def add(self, worker: Worker) -> None:
        """Write a worker down that was forgotten."""
        self._session.add(worker)
        self._session.flush()

    def beat(self, worker_id: str) -> Worker | None:
        """Note that the worker lives; None says that it has to write itself down again."""
        return self._set(worker_id, heartbeat_at=now())

    def describe(self, worker_id: str, device: str, memory_bytes: int) -> None:
        """Note what the worker computes on."""
        self._set(worker_id, device=device, memory_bytes=memory_bytes)

    def holds(self, worker_id: str, job_id: str) -> None:
        """Note which job the worker holds, and that no other one does."""
        mine = case((Worker.id == worker_id, job_id), else_=null())
        self._session.execute(
            update(Worker)
            .where(or_(Worker.id == worker_id, Worker.job_id == job_id))
            .values(job_id=mine)
            .execution_options(synchronize_session=False)
        )

    def stop(self, worker_id: str) -> None:
        """Forget a worker that ends in good order."""
        self._session.execute(delete(Worker).where(Worker.id == worker_id))

    def drain(self, worker_id: str, draining: bool) -> Presence:
        """Have a worker take nothing new, or go on.

        Raises:
            WorkerNotFoundError: there is none.
        """
        if self._set(worker_id, draining=draining) is None:
            raise WorkerNotFoundError(worker_id)
        return self.get(worker_id)

    def get(self, worker_id: str) -> Presence:
        """Return one worker.

        Raises:
            WorkerNotFoundError: there is none.
        """
        for found in self._found(Worker.id == worker_id):
            return found
        raise WorkerNotFoundError(worker_id)

    def all(self) -> list[Presence]:
        """Return all workers, by name."""
        return self._found()

    def alive_queues(self) -> set[str]:
        """Return the queues that some living worker takes jobs from."""
        return {queue for one in self._found() if one.is_alive for queue in one.worker.queues}

    def forget_lost(self) -> None:
        """Forget the workers that have been lost for a day."""
        forgotten = Worker.heartbeat_at < now(-FORGOTTEN_AFTER)
        self._session.execute(delete(Worker).where(forgotten))

    def _found(self, *where: ColumnElement[bool]) -> list[Presence]:
        # One from the future was written before the clock was set back.
        recent = Worker.heartbeat_at.between(now(-LOST_AFTER), now(LOST_AFTER))
        is_alive = recent.label("is_alive")
        held = (Job.id == Worker.job_id) & Job.status.in_(HELD)
        query = select(Worker, is_alive, Job.id).outerjoin(Job, held).where(*where)
        rows = self._session.execute(
            query.order_by(Worker.name, Worker.id), execution_options={"populate_existing": True}
        )
        return [Presence(worker, bool(alive), job_id) for worker, alive, job_id in rows]

    def _set(self, worker_id: str, **values: object) -> Worker | None:
        return self._session.scalar(
            update(Worker)
            .where(Worker.id == worker_id)
            .values(**values)
            .returning(Worker)
            .execution_options(populate_existing=True, synchronize_session=False)
        )


def is_draining(worker_id: str | None) -> ColumnElement[bool]:
    """Return SQL for whether the worker takes nothing new."""
    return exists().where(Worker.id == worker_id, Worker.draining)
