"""Who works, and what waits for them."""

from datetime import datetime
from typing import Self

from fastapi import APIRouter
from pydantic import BaseModel, Field

from api.deps import JobId, ServiceDep, WorkerId
from api.schemas.pages import Page
from db.jobs import JobRepository
from db.queues import QueueDepth, QueueRepository
from db.workers import Presence, WorkerRepository

router = APIRouter(prefix="/v1", tags=["workers"])


class WorkerRead(BaseModel):
    """One worker, as it last said of itself."""

    id: str
    name: str
    hostname: str
    pid: int
    state: str = Field(description="`idle`, `busy`, `draining` (takes nothing new) or `lost`.")
    queues: list[str]
    device: str | None = Field(description="None until the worker has looked.")
    memory_bytes: int | None = Field(description="Of that device.")
    version: str
    job_id: str | None = Field(description="The job it holds.")
    draining: bool
    started_at: datetime
    heartbeat_at: datetime

    @classmethod
    def of(cls, presence: Presence) -> Self:
        """Return the face of a worker's row."""
        names = cls.model_fields.keys() - {"state", "job_id"}
        plain = {name: getattr(presence.worker, name) for name in names}
        return cls(state=presence.state, job_id=presence.job_id, **plain)


class QueueRead(BaseModel):
    """One queue: a device class that jobs wait for."""

    name: str
    depth: int = Field(description="How many jobs wait.")
    oldest_queued_at: datetime | None
    oldest_age_seconds: float | None
    running: int
    workers: int = Field(description="Living workers that take jobs from it.")
    devices: list[str] = Field(description="What these compute on.")
    memory_bytes: int | None = Field(description="Of the largest of these devices.")

    @classmethod
    def of(cls, name: str, depth: QueueDepth, workers: list[Presence]) -> Self:
        """Return the face of a queue."""
        mine = [one.worker for one in workers if one.is_alive and name in one.worker.queues]
        return cls(
            name=name,
            depth=depth.queued,
            oldest_queued_at=depth.oldest_queued_at,
            oldest_age_seconds=depth.oldest_age_s,
            running=depth.running,
            workers=len(mine),
            devices=sorted({one.device for one in mine if one.device}),
            memory_bytes=max((one.memory_bytes or 0 for one in mine), default=0) or None,
        )


class PlaceRead(BaseModel):
    """Where a job stands in its queue."""

    name: str = Field(description="The queue.")
    position: int | None = Field(description="From 1; None: the job does not wait.")
    depth: int = Field(description="How many jobs wait.")
    workers: int = Field(description="Living workers that take jobs from it.")


@router.get("/workers")
def list_workers(service: ServiceDep) -> Page[WorkerRead]:
    """List the workers; one that has not been heard of for a minute is lost."""
    with service.sessions() as session:
        workers = WorkerRepository(session).all()
    return Page(data=[WorkerRead.of(one) for one in workers])


@router.post("/workers/{worker_id}/drain")
def drain_worker(worker_id: WorkerId, service: ServiceDep) -> WorkerRead:
    """Have a worker finish what it holds and take nothing new."""
    return _drain(service, worker_id, True)


@router.post("/workers/{worker_id}/undrain")
def undrain_worker(worker_id: WorkerId, service: ServiceDep) -> WorkerRead:
    """Have a worker take jobs again."""
    return _drain(service, worker_id, False)


def _drain(service: ServiceDep, worker_id: str, draining: bool) -> WorkerRead:
    with service.sessions.begin() as session:
        return WorkerRead.of(WorkerRepository(session).drain(worker_id, draining))


@router.get("/queues")
def list_queues(service: ServiceDep) -> Page[QueueRead]:
    """List the queues that have jobs or workers, and the configured ones."""
    with service.sessions() as session:
        workers = WorkerRepository(session).all()
        depths = QueueRepository(session).depths()
    taken = {name for one in workers if one.is_alive for name in one.worker.queues}
    names = sorted(taken | depths.keys() | set(service.known_queues))
    data = [QueueRead.of(name, depths.get(name, QueueDepth()), workers) for name in names]
    return Page(data=data)


@router.get("/jobs/{job_id}/queue", tags=["jobs"])
def get_place(job_id: JobId, service: ServiceDep) -> PlaceRead:
    """Tell where a job stands in its queue; it changes with other jobs, so it is no part of it."""
    with service.sessions() as session:
        jobs = JobRepository(session)
        job = jobs.get(job_id)
        position, depths = jobs.position(job), jobs.depths()
        workers = WorkerRepository(session).all()
    queue = QueueRead.of(job.queue, depths.get(job.queue, QueueDepth()), workers)
    return PlaceRead(name=queue.name, position=position, depth=queue.depth, workers=queue.workers)
