"""The tables: jobs, what happened to them, what they reported, what they made, who works."""

from datetime import datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    Double,
    ForeignKey,
    Index,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from db.core.broker_names import GPU_QUEUE
from db.core.clock import now
from db.core.ids import new_id
from db.core.states import JobState, Phase
from db.spec.prune_spec import PruneSpec
from db.spec.quality_gate import Verdict
from db.tables.base import EMPTY_TEXT, ID, SEARCHABLE_JSON, ZERO, Base, Document, SpecType

FILTER_COLUMNS = ("method", "model_key", "search")
"""What a list finds a job by besides time and status: copies, made by `db.jobs.search`."""


class Job(Base):
    """One request to prune one model: the only truth about it.

    Attributes:
        eta_p50_s, eta_p90_s: how many seconds the present attempt will still take, as its worker
            worked out at its last step.
        crashes: how many workers it has lost since its last retry.
        strikes, struck_at: how many of them since it last finished a block, and when the last one.
        retries, not_before: how often it was queued again after a failure that may pass, since it
            last finished a block, and when it may be taken.
        leased_at: when its worker was last heard of.
    """

    __tablename__ = "jobs"
    # Each holds all that a list is filtered and sorted by, so that only one page's rows are read.
    __table_args__ = (
        Index("ix_jobs_listed", "created_at", "id", "status", *FILTER_COLUMNS),
        Index("ix_jobs_of_a_status", "status", "created_at", "id", *FILTER_COLUMNS),
        Index("ix_jobs_status_method", "status", "method"),
        Index("ix_jobs_spec_digest_status", "spec_digest", "status"),
        Index("ix_jobs_urgency", "status", "queue", "priority", "created_by", "created_at", "id"),
        Index("ix_jobs_counted", "status", "method", "attempt", "crashes"),
        Index("ix_jobs_created_by_status", "created_by", "status"),
        Index("ix_jobs_of_a_verdict", "verdict", "created_at", "id"),
        Index("ix_jobs_of_a_sweep", "sweep_id", "created_at", "id", "status", "sweep_point"),
    )

    id: Mapped[str] = mapped_column(ID, primary_key=True, default=lambda: new_id("job"))
    spec: Mapped[PruneSpec] = mapped_column(SpecType)
    name: Mapped[str | None] = mapped_column(String(200))
    labels: Mapped[Document] = mapped_column(SEARCHABLE_JSON, default=dict)
    parent_id: Mapped[str | None] = mapped_column(ID, index=True)
    queue: Mapped[str] = mapped_column(String(64), default=GPU_QUEUE, server_default=GPU_QUEUE)
    priority: Mapped[int] = mapped_column(default=0, server_default=ZERO)
    traceparent: Mapped[str | None] = mapped_column(String(64))
    created_by: Mapped[str | None] = mapped_column(ID)
    method: Mapped[str] = mapped_column(String(32), server_default=EMPTY_TEXT)
    model_key: Mapped[str] = mapped_column(String(256), server_default=EMPTY_TEXT)
    search: Mapped[str] = mapped_column(Text, server_default=EMPTY_TEXT)
    spec_digest: Mapped[str] = mapped_column(String(64), server_default=EMPTY_TEXT)
    sweep_id: Mapped[str | None] = mapped_column(ID)
    sweep_point: Mapped[int | None]
    gate: Mapped[Document | None]
    verdict: Mapped[Verdict] = mapped_column(default=Verdict.none, server_default=text("'none'"))
    status: Mapped[JobState] = mapped_column(default=JobState.queued)
    phase: Mapped[Phase | None]
    progress: Mapped[float] = mapped_column(Double, default=0.0)
    block_index: Mapped[int | None]
    block_total: Mapped[int | None]
    block_name: Mapped[str | None] = mapped_column(String(512))
    eta_p50_s: Mapped[float | None] = mapped_column(Double)
    eta_p90_s: Mapped[float | None] = mapped_column(Double)
    attempt: Mapped[int] = mapped_column(default=0)
    crashes: Mapped[int] = mapped_column(default=0)
    worker: Mapped[str | None] = mapped_column(String(255))
    device: Mapped[str | None] = mapped_column(String(255))
    strikes: Mapped[int] = mapped_column(default=0, server_default=ZERO)
    struck_at: Mapped[datetime | None]
    retries: Mapped[int] = mapped_column(default=0, server_default=ZERO)
    not_before: Mapped[datetime | None]
    leased_at: Mapped[datetime | None]
    lease_until: Mapped[datetime | None]
    deadline: Mapped[datetime | None] = mapped_column(index=True)
    pushed_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=now())
    updated_at: Mapped[datetime] = mapped_column(default=now())
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    result: Mapped[Document | None]
    error: Mapped[Document | None]
    warnings: Mapped[list[str]] = mapped_column(JSON, default=list)
    version: Mapped[int] = mapped_column(default=1)


class Sweep(Base):
    """Jobs that differ in how one model is pruned, asked for at once."""

    __tablename__ = "sweeps"

    id: Mapped[str] = mapped_column(ID, primary_key=True, default=lambda: new_id("swp"))
    name: Mapped[str | None] = mapped_column(String(200))
    labels: Mapped[Document]
    varied: Mapped[list[Document]] = mapped_column(JSON)
    max_parallel: Mapped[int | None]
    created_at: Mapped[datetime] = mapped_column(default=now())


class Estimate(Base):
    """What a job would take: asked for by the API, answered by a process that has the planner."""

    __tablename__ = "estimates"
    __table_args__ = (Index("ix_estimates_waiting", "finished_at", "created_at"),)

    id: Mapped[str] = mapped_column(ID, primary_key=True, default=lambda: new_id("est"))
    spec_digest: Mapped[str] = mapped_column(String(64), index=True)
    spec: Mapped[Document]
    answer: Mapped[Document | None]
    error: Mapped[Document | None]
    created_at: Mapped[datetime] = mapped_column(default=now())
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class JobEvent(Base):
    """One thing that happened to a job; written in the transaction that made it happen.

    Attributes:
        position: its place among the events of all jobs, given once every reader can see it.
    """

    __tablename__ = "job_events"

    job_id: Mapped[str] = mapped_column(ForeignKey(Job.id, ondelete="CASCADE"), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime] = mapped_column(default=now())
    kind: Mapped[str] = mapped_column(String(32))
    status: Mapped[JobState]
    phase: Mapped[Phase | None]
    attempt: Mapped[int]
    data: Mapped[Document]
    position: Mapped[int | None] = mapped_column(BigInteger, index=True, unique=True)


class EventCounter(Base):
    """One row: the highest place that was ever given to an event, which may be deleted since.

    Attributes:
        pruned: the highest place of an event that was deleted while its job was kept.
    """

    __tablename__ = "event_counter"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    last_position: Mapped[int] = mapped_column("last", BigInteger)
    deleted_to: Mapped[int] = mapped_column("pruned", BigInteger, default=0, server_default=ZERO)


class BlockReport(Base):
    """What the engine measured on one block in one attempt."""

    __tablename__ = "block_reports"

    job_id: Mapped[str] = mapped_column(ForeignKey(Job.id, ondelete="CASCADE"), primary_key=True)
    attempt: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    index: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(String(512))
    data: Mapped[Document]


class Artifact(Base):
    """One finished file. The attempt that made it is part of where it lies.

    Attributes:
        checked_at: when its bytes were last compared with ``sha256``.
        checked_as: which file that was (see `db.files.artifact_store.identity_of`).
        damage: what was wrong with it; None for a whole file.
    """

    __tablename__ = "artifacts"
    __table_args__ = (UniqueConstraint("job_id", "name"),)

    id: Mapped[str] = mapped_column(ID, primary_key=True, default=lambda: new_id("art"))
    job_id: Mapped[str] = mapped_column(ForeignKey(Job.id, ondelete="CASCADE"))
    attempt: Mapped[int]
    name: Mapped[str] = mapped_column(String(1024))
    size_bytes: Mapped[int] = mapped_column(BigInteger, index=True)
    sha256: Mapped[str] = mapped_column(String(64))
    media_type: Mapped[str] = mapped_column(String(128))
    created_at: Mapped[datetime] = mapped_column(default=now())
    checked_at: Mapped[datetime | None] = mapped_column(default=now(), index=True)
    checked_as: Mapped[str | None] = mapped_column(String(100))
    damage: Mapped[str | None] = mapped_column(String(200))


class StoredResponse(Base):
    """What a request with an idempotency key was answered first; it lives as long as its job.

    Attributes:
        created_by: the API key that it came with, whose own the idempotency key is; or nothing.
    """

    __tablename__ = "answers"

    created_by: Mapped[str] = mapped_column(ID, primary_key=True, server_default=EMPTY_TEXT)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    request_digest: Mapped[str] = mapped_column(String(64))
    job_id: Mapped[str] = mapped_column(ForeignKey(Job.id, ondelete="CASCADE"), index=True)
    status: Mapped[int]
    body: Mapped[Document]
    created_at: Mapped[datetime] = mapped_column(default=now())


class Worker(Base):
    """One running worker, as it last said of itself.

    Attributes:
        name: what Celery calls it, such as ``gpu@host``.
        queues: what it takes jobs from.
        device: what it computes on; None until it has looked.
        memory_bytes: of that device.
        job_id: the job that one of its processes holds.
        draining: it finishes what it holds and takes nothing new.
    """

    __tablename__ = "workers"

    id: Mapped[str] = mapped_column(ID, primary_key=True, default=lambda: new_id("wrk"))
    name: Mapped[str] = mapped_column(String(255), index=True)
    hostname: Mapped[str] = mapped_column(String(255))
    pid: Mapped[int]
    queues: Mapped[list[str]] = mapped_column(JSON)
    device: Mapped[str | None] = mapped_column(String(255))
    memory_bytes: Mapped[int | None] = mapped_column(BigInteger)
    version: Mapped[str] = mapped_column(String(64))
    started_at: Mapped[datetime] = mapped_column(default=now())
    heartbeat_at: Mapped[datetime] = mapped_column(default=now())
    job_id: Mapped[str | None] = mapped_column(ID)
    draining: Mapped[bool] = mapped_column(default=False)
