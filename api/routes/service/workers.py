"""Routes of workers and queues."""

from collections.abc import Sequence
from typing import TypeVar

from fastapi import APIRouter
from pydantic import BaseModel
from sqlalchemy.orm import Session

from api.middleware.writers import WritingRoute
from api.routes.dependencies import JobId, ServiceDep, WorkerId
from api.routes.own_trials import OWN_TRIAL
from api.schemas.pages import Page
from api.schemas.workers import (
    PlaceRead,
    QueueHistory,
    QueuePointRead,
    QueueRead,
    WorkerHistory,
    WorkerPointRead,
    WorkerRead,
)
from db.jobs.repository import JobRepository
from db.scheduling.held_jobs import held_jobs
from db.scheduling.queues import QueueDepth, QueueRepository
from db.scheduling.samples import SampleRepository
from db.scheduling.workers import WorkerRepository, WorkerStatus

router = APIRouter(prefix="/v1", tags=["workers"], route_class=WritingRoute)

Read = TypeVar("Read", bound=BaseModel)


@router.get("/workers")
def list_workers(service: ServiceDep) -> Page[WorkerRead]:
    """List the workers, with their jobs."""
    with service.sessions() as session:
        data = _read(session, WorkerRepository(session).all())
    return Page(data=data)


@router.get("/workers/history")
def list_worker_histories(service: ServiceDep) -> Page[WorkerHistory]:
    """Return the activity of each worker in the last day, in steps of ten minutes."""
    with service.sessions() as session:
        histories = SampleRepository(session).workers()
    data = [
        WorkerHistory(name=name, points=_points(WorkerPointRead, histories[name]))
        for name in histories
    ]
    return Page(data=data)


@router.get("/queues/history")
def list_queue_histories(service: ServiceDep) -> Page[QueueHistory]:
    """Return the peak numbers of each queue's waiting and running jobs in the last day.

    The numbers are for periods of ten minutes.
    """
    with service.sessions() as session:
        histories = SampleRepository(session).queues()
    data = [
        QueueHistory(name=name, points=_points(QueuePointRead, histories[name]))
        for name in histories
    ]
    return Page(data=data)


def _points(model: type[Read], points: Sequence[object]) -> list[Read]:
    return [model.model_validate(point) for point in points]


@router.post("/workers/{worker_id}/drain")
def drain_worker(worker_id: WorkerId, service: ServiceDep) -> WorkerRead:
    """Let a worker finish its job and take no new one."""
    return _set_draining(service, worker_id, True)


@router.post("/workers/{worker_id}/undrain")
def undrain_worker(worker_id: WorkerId, service: ServiceDep) -> WorkerRead:
    """Let a worker take jobs again."""
    return _set_draining(service, worker_id, False)


def _set_draining(service: ServiceDep, worker_id: str, draining: bool) -> WorkerRead:
    with service.sessions.begin() as session:
        changed = WorkerRepository(session).set_draining(worker_id, draining)
        return _read(session, [changed])[0]


def _read(session: Session, workers: list[WorkerStatus]) -> list[WorkerRead]:
    held = held_jobs(session, [status.job_id for status in workers if status.job_id is not None])
    return [WorkerRead.of(status, held) for status in workers]


@router.get("/queues")
def list_queues(service: ServiceDep) -> Page[QueueRead]:
    """List the queues that have unfinished jobs or live workers, and the configured queues."""
    with service.sessions() as session:
        workers = WorkerRepository(session).all()
        depths = QueueRepository(session).depths()
    served = {name for status in workers if status.is_alive for name in status.worker.queues}
    names = sorted(served | depths.keys() | set(service.known_queues))
    data = [
        QueueRead.of(name, depths.get(name, QueueDepth()), workers, service.prices.of(name))
        for name in names
    ]
    return Page(data=data)


@router.get("/jobs/{job_id}/queue", tags=["jobs"], dependencies=[OWN_TRIAL])
def get_place(job_id: JobId, service: ServiceDep) -> PlaceRead:
    """Return a job's current position in its queue; other jobs can still move ahead of it."""
    with service.sessions() as session:
        job = JobRepository(session).get(job_id)
        queues = QueueRepository(session)
        position, depths = queues.position(job), queues.depths()
        workers = WorkerRepository(session).all()
    queue = QueueRead.of(job.queue, depths.get(job.queue, QueueDepth()), workers, job.price)
    return PlaceRead(name=queue.name, position=position, depth=queue.depth, workers=queue.workers)
