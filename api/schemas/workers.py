"""Workers and queues."""

from datetime import datetime
from typing import Self

from pydantic import BaseModel, Field

from db.scheduling.queues import QueueDepth
from db.scheduling.workers import WorkerStatus


class WorkerRead(BaseModel):
    """A worker, as of its last heartbeat."""

    id: str
    name: str
    hostname: str
    pid: int
    state: str = Field(description="`idle`, `busy`, `draining` (takes no new job) or `lost`.")
    queues: list[str]
    device: str | None = Field(description="Null until the worker has detected it.")
    memory_bytes: int | None = Field(description="The memory of that device.")
    version: str
    job_id: str | None = Field(description="The job that it runs.")
    draining: bool
    started_at: datetime
    heartbeat_at: datetime

    @classmethod
    def of(cls, status: WorkerStatus) -> Self:
        names = cls.model_fields.keys() - {"state", "job_id"}
        plain = {name: getattr(status.worker, name) for name in names}
        return cls(state=status.state, job_id=status.job_id, **plain)


class QueueRead(BaseModel):
    """A queue of jobs for one class of devices."""

    name: str
    depth: int = Field(description="The number of waiting jobs.")
    oldest_queued_at: datetime | None
    oldest_age_seconds: float | None
    running: int
    workers: int = Field(description="The number of live workers that take jobs from it.")
    devices: list[str] = Field(description="The devices of these workers.")
    memory_bytes: int | None = Field(description="The memory of the largest of these devices.")

    @classmethod
    def of(cls, name: str, depth: QueueDepth, workers: list[WorkerStatus]) -> Self:
        serving = [one.worker for one in workers if one.is_alive and name in one.worker.queues]
        return cls(
            name=name,
            depth=depth.queued,
            oldest_queued_at=depth.oldest_queued_at,
            oldest_age_seconds=depth.oldest_age_s,
            running=depth.running,
            workers=len(serving),
            devices=sorted({one.device for one in serving if one.device}),
            memory_bytes=max((one.memory_bytes or 0 for one in serving), default=0) or None,
        )


class PlaceRead(BaseModel):
    """A job's position in its queue."""

    name: str = Field(description="The queue's name.")
    position: int | None = Field(description="From 1; null if the job does not wait.")
    depth: int = Field(description="The number of waiting jobs.")
    workers: int = Field(description="The number of live workers that take jobs from it.")
