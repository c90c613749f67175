"""Schemas of workers and queues."""

from collections.abc import Mapping
from datetime import datetime
from typing import Self

from pydantic import BaseModel, Field

from api.schemas.fields import RowModel
from api.schemas.jobs import Progress
from db.core.states import JobState, Phase
from db.scheduling.held_jobs import HeldJob
from db.scheduling.queues import QueueDepth
from db.scheduling.workers import WorkerStatus
from db.spec.prices import Price


class WorkerJob(BaseModel):
    """The job that a worker holds."""

    id: str
    name: str | None
    model: str
    status: JobState
    phase: Phase | None
    progress: Progress
    seconds_per_step: float | None = Field(
        description="The mean time of the last blocks, or of the last steps of a recovery."
    )
    lease_until: datetime | None = Field(
        description="When the job is requeued if its worker stays silent."
    )

    @classmethod
    def of(cls, held: HeldJob) -> Self:
        job = held.job
        names = ("id", "name", "status", "phase", "lease_until")
        return cls(
            model=job.spec.model,
            progress=Progress.of(job),
            seconds_per_step=held.seconds_per_step,
            **{name: getattr(job, name) for name in names},
        )


class WorkerRead(BaseModel):
    """A worker, as of its last heartbeat."""

    id: str
    name: str
    hostname: str
    pid: int
    state: str = Field(
        description="`idle`, `busy`, `draining` (takes no new job), `silent` "
        "(no heartbeat for eight seconds) or `lost` (none for a minute)."
    )
    queues: list[str]
    device: str | None = Field(description="Null until the worker has detected it.")
    memory_bytes: int | None = Field(description="The memory of that device.")
    load: float | None = Field(
        description="The share of time in which its device was busy, from 0 to 1; null if unknown."
    )
    memory_used_bytes: int | None = Field(description="Of that device; null if unknown.")
    temperature_c: float | None = Field(description="Of that device; null if unknown.")
    version: str
    extras: dict[str, str] | None = Field(
        description="The installed extras that jobs and commands need, such as `eval`, with the "
        "version of their main package."
    )
    job_id: str | None = Field(description="The job that it holds.")
    job: WorkerJob | None = Field(description="Its progress.")
    draining: bool
    started_at: datetime
    heartbeat_at: datetime
    silent_seconds: float = Field(
        description="The time since its last heartbeat, or since the last of the process that "
        "runs its job, if that is longer ago."
    )

    @classmethod
    def of(cls, status: WorkerStatus, held: Mapping[str, HeldJob]) -> Self:
        job = held.get(status.job_id or "")
        computed = {
            "state": status.state,
            "silent_seconds": status.silence.total_seconds(),
            "job_id": status.job_id,
            "job": None if job is None else WorkerJob.of(job),
        }
        names = cls.model_fields.keys() - computed.keys()
        return cls(**{name: getattr(status.worker, name) for name in names}, **computed)


class QueueRead(BaseModel):
    """A queue of jobs for one class of devices."""

    name: str
    depth: int = Field(description="The number of jobs that wait for a worker.")
    postponed: int = Field(
        description="The number of queued jobs whose time to start has not come."
    )
    oldest_queued_at: datetime | None
    oldest_age_seconds: float | None
    running: int
    workers: int = Field(description="The number of live workers that take jobs from it.")
    devices: list[str] = Field(description="The devices of these workers.")
    memory_bytes: int | None = Field(description="The memory of the largest of these devices.")
    hourly_price: float | None = Field(
        description="What an hour of one of them costs; null if the queue has no price."
    )

    @classmethod
    def of(
        cls, name: str, depth: QueueDepth, workers: list[WorkerStatus], price: Price | None
    ) -> Self:
        serving = [
            status.worker for status in workers if status.is_alive and name in status.worker.queues
        ]
        return cls(
            name=name,
            depth=depth.queued,
            postponed=depth.postponed,
            oldest_queued_at=depth.oldest_queued_at,
            oldest_age_seconds=depth.oldest_age_s,
            running=depth.running,
            workers=len(serving),
            devices=sorted({worker.device for worker in serving if worker.device}),
            memory_bytes=max((worker.memory_bytes or 0 for worker in serving), default=0) or None,
            hourly_price=None if price is None else price.hourly,
        )


class WorkerPointRead(RowModel):
    """A worker's activity in one period of ten minutes."""

    at: datetime = Field(description="When they began.")
    busy: float = Field(description="The share of them in which it held a job.")
    load: float | None = Field(description="The highest load of its device.")


class WorkerHistory(BaseModel):
    """A worker's activity in the last day; periods without heartbeats are missing."""

    name: str
    points: list[WorkerPointRead]


class QueuePointRead(RowModel):
    """The peak numbers of a queue's waiting and running jobs in one period of ten minutes."""

    at: datetime = Field(description="When they began.")
    queued: int = Field(description="The most waiting jobs.")
    running: int = Field(description="The most running jobs.")


class QueueHistory(BaseModel):
    """The numbers of a queue's waiting and running jobs over the last day."""

    name: str
    points: list[QueuePointRead]


class PlaceRead(BaseModel):
    """A job's position in its queue."""

    name: str = Field(description="The queue's name.")
    position: int | None = Field(description="From 1; null if the job does not wait.")
    depth: int = Field(description="The number of waiting jobs.")
    workers: int = Field(description="The number of live workers that take jobs from it.")
