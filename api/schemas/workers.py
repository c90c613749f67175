"""What is answered about workers and queues, typed."""

from datetime import datetime
from typing import Self

from pydantic import BaseModel, Field

from db.scheduling.queues import QueueDepth
from db.scheduling.workers import Presence


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
