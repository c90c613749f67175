"""Tables of jobs, sweeps, estimates, events, block reports, artifacts and workers."""

from datetime import datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    Double,
    ForeignKey,
    Index,
    String,
    Text,
    false,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from db.core.broker_names import GPU_QUEUE
from db.core.clock import now
from db.core.ids import new_id
from db.core.sort_key import SortMetric
from db.core.states import JobState, Phase
from db.spec.prices import Price
from db.spec.prune_spec import PruneSpec
from db.spec.quality_gate import Verdict
from db.tables.base import EMPTY_TEXT, ID, SEARCHABLE_JSON, ZERO, Base, Document
from db.tables.spec_types import VERDICT, SpecType

FILTER_COLUMNS = ("verdict", "created_by", "method", "model_key", "search")
"""Columns that lists are filtered by, besides time and status."""


def _sorted_by(metric: SortMetric) -> Index:
    """Return an index for job lists sorted by ``metric``; it includes the filter columns."""
    measured = text(f"{metric} IS NOT NULL")
    columns = (metric.value, "id", "created_at", "status", *FILTER_COLUMNS)
    return Index(f"ix_jobs_by_{metric}", *columns, sqlite_where=measured, postgresql_where=measured)


class Job(Base):
    """One request to prune one model.

    Attributes:
        model_job_id: the id of the job whose result is the model; None for any other model.
        search_job_id: the id of the job whose search this job's own starts from; None without one.
        lineage: the model that the first of the jobs pruned whose results led to this one, and the
            ids of these jobs, the latest first, as ``{"model": …, "jobs": […]}``.
        eta_p50_s, eta_p90_s: the median and the 90th percentile of the remaining seconds of the
            current attempt, as its worker estimated them last.
        crashes: the number of workers lost while they ran the job, since the last retry by a
            client.
        strikes: the number of lost workers that count towards `db.scheduling.crashes.MAX_CRASHES`.
        struck_at: the time when the latest loss of a worker was noticed; not set by a loss that
            makes the job fail.
        retries: the number of automatic retries after transient failures; reset when the job
            advances further than before, and by a client's retry.
        not_before: the earliest time for the first attempt, as the request asks for, or for the
            next automatic retry.
        min_memory_bytes: the memory that the job's worker must have; None for any.
        planned_memory_bytes: the memory that its plan needs on a worker; None if it has no plan.
        error: why the job failed, or while it waits for a retry, why its last attempt did.
        leased_at: the time when a worker last obtained or renewed the lease.
        reduction, perplexity, perplexity_ratio, accuracy, speed, weights_bytes, seconds,
        size_bytes: the values that lists are sorted by, set once the job has succeeded. All but the
            last two come from the metrics: see `db.spec.sorted_metrics`.
            ``seconds`` is the time from the start of the first attempt to the end of the job.
            ``size_bytes`` is the total size of its artifacts at that time.
        pinned: whether no retention rule may delete its files.
        downloaded_at: the last time when a client was seen to download its files, to the minute.
        hourly_price, currency: what an hour of a worker costs, as of the job's submission; None if
            its queue had no price.
        max_cost: the cost above which the job stops; None without such a bound.
        likely_cost: the cost that is reserved in its key's budget: the cost that it likely stays
            below, as of its estimate, or else ``max_cost``; None if neither is known.
    """

    __tablename__ = "jobs"
    # Each index has all columns that a list is filtered and sorted by: only a page's rows are read.
    __table_args__ = (
        Index("ix_jobs_listed", "created_at", "id", "status", *FILTER_COLUMNS),
        Index("ix_jobs_of_a_status", "status", "created_at", "id", *FILTER_COLUMNS),
        Index("ix_jobs_spec_digest_status", "spec_digest", "status"),
        Index("ix_jobs_urgency", "status", "queue", "priority", "created_by", "created_at", "id"),
        Index("ix_jobs_counted", "status", "method", "verdict", "attempt", "crashes"),
        Index("ix_jobs_created_by_status", "created_by", "status"),
        Index("ix_jobs_of_a_verdict", "verdict", "created_at", "id"),
        Index("ix_jobs_of_a_sweep", "sweep_id", "created_at", "id", "status", "sweep_point"),
        *map(_sorted_by, SortMetric),
    )

    id: Mapped[str] = mapped_column(ID, primary_key=True, default=lambda: new_id("job"))
    spec: Mapped[PruneSpec] = mapped_column(SpecType)
    name: Mapped[str | None] = mapped_column(String(200))
    labels: Mapped[Document] = mapped_column(SEARCHABLE_JSON, default=dict)
    parent_id: Mapped[str | None] = mapped_column(ID, index=True)
    model_job_id: Mapped[str | None] = mapped_column(ID, index=True)
    search_job_id: Mapped[str | None] = mapped_column(ID, index=True)
    lineage: Mapped[Document | None]
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
    verdict: Mapped[Verdict] = mapped_column(
        VERDICT, default=Verdict.none, server_default=text("'none'")
    )
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
    reduction: Mapped[float | None] = mapped_column(Double)
    perplexity: Mapped[float | None] = mapped_column(Double)
    perplexity_ratio: Mapped[float | None] = mapped_column(Double)
    accuracy: Mapped[float | None] = mapped_column(Double)
    speed: Mapped[float | None] = mapped_column(Double)
    weights_bytes: Mapped[float | None] = mapped_column(Double)
    seconds: Mapped[float | None] = mapped_column(Double)
    size_bytes: Mapped[int | None] = mapped_column(BigInteger)
    pinned: Mapped[bool] = mapped_column(default=False, server_default=false())
    downloaded_at: Mapped[datetime | None]
    hourly_price: Mapped[float | None] = mapped_column(Double)
    currency: Mapped[str | None] = mapped_column(String(16))
    max_cost: Mapped[float | None] = mapped_column(Double)
    likely_cost: Mapped[float | None] = mapped_column(Double)
    min_memory_bytes: Mapped[int | None] = mapped_column(BigInteger)
    planned_memory_bytes: Mapped[int | None] = mapped_column(BigInteger)
    error: Mapped[Document | None]
    warnings: Mapped[list[str]] = mapped_column(JSON, default=list)
    version: Mapped[int] = mapped_column(default=1)

    @property
    def price(self) -> Price | None:
        """The price of the workers that hold it."""
        if self.hourly_price is None:
            return None
        return Price(self.hourly_price, self.currency or "")


class Sweep(Base):
    """One request for several jobs that differ in how one model is pruned."""

    __tablename__ = "sweeps"

    id: Mapped[str] = mapped_column(ID, primary_key=True, default=lambda: new_id("swp"))
    name: Mapped[str | None] = mapped_column(String(200))
    labels: Mapped[Document]
    varied: Mapped[list[Document]] = mapped_column(JSON)
    max_parallel: Mapped[int | None]
    created_at: Mapped[datetime] = mapped_column(default=now())


class Estimate(Base):
    """The resources that a job would take; requested by the API, computed by a worker.

    Attributes:
        created_by: the id of the API key whose secret is used; None if the job names no secret, or
            if the caller had no key.
    """

    __tablename__ = "estimates"
    __table_args__ = (Index("ix_estimates_waiting", "finished_at", "created_at"),)

    id: Mapped[str] = mapped_column(ID, primary_key=True, default=lambda: new_id("est"))
    spec_digest: Mapped[str] = mapped_column(String(64), index=True)
    spec: Mapped[Document]
    answer: Mapped[Document | None]
    error: Mapped[Document | None]
    created_by: Mapped[str | None] = mapped_column(ID)
    created_at: Mapped[datetime] = mapped_column(default=now())
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class JobEvent(Base):
    """One change of a job, written in the transaction that made the change.

    Attributes:
        position: the position among the events of all jobs; None until it is assigned, which
            happens after that transaction is committed.
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
    """A table with a single row, which holds positions of events.

    Attributes:
        last_position: the highest position ever assigned, even if that event has been deleted.
        deleted_to: the highest position among the events that were deleted while their job was
            kept; 0 if there are none.
    """

    __tablename__ = "event_counter"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    last_position: Mapped[int] = mapped_column("last", BigInteger)
    deleted_to: Mapped[int] = mapped_column("pruned", BigInteger, default=0, server_default=ZERO)


class BlockReport(Base):
    """The measurements of one block in one attempt."""

    __tablename__ = "block_reports"

    job_id: Mapped[str] = mapped_column(ForeignKey(Job.id, ondelete="CASCADE"), primary_key=True)
    attempt: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    index: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(String(512))
    data: Mapped[Document]


class StoredResponse(Base):
    """The response to the first request with an idempotency key.

    It is deleted together with the job that the request created; for a sweep, with the first job.

    Attributes:
        created_by: the id of the API key that sent the request; empty if there was no API key.
            Different API keys may use the same idempotency key.
        key: the idempotency key.
        request_digest: the digest of the request with all defaults.
        sent_digest: the digest of the request as it was sent, which is the same in each version;
            None for the requests of versions that did not store it.
    """

    __tablename__ = "answers"

    created_by: Mapped[str] = mapped_column(ID, primary_key=True, server_default=EMPTY_TEXT)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    request_digest: Mapped[str] = mapped_column(String(64))
    sent_digest: Mapped[str | None] = mapped_column(String(64))
    job_id: Mapped[str] = mapped_column(ForeignKey(Job.id, ondelete="CASCADE"), index=True)
    status: Mapped[int]
    body: Mapped[Document]
    created_at: Mapped[datetime] = mapped_column(default=now())


class Worker(Base):
    """One worker, as of its last heartbeat.

    Attributes:
        name: its name in Celery, such as ``gpu@host``; ``gpu-2@host`` if that is taken.
        queues: the queues that it takes jobs from.
        device: the device that it computes on; None until it is known.
        memory_bytes: the memory of that device.
        job_id: the id of the last job that one of its processes claimed, which may have ended
            since; None before the first, and after another worker has claimed that job.
        draining: whether it finishes its current job and takes no new ones.
        load: the share of time in which its device was busy, from 0 to 1; None if unknown.
        memory_used_bytes, temperature_c: the used memory and the temperature of that device; None
            if unknown.
        extras: the installed extras, such as ``eval``, with the version of their main package;
            None from a worker of an older version.
        own_tasks: whether it has folders with zero-shot tasks of the operator.
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
    load: Mapped[float | None] = mapped_column(Double)
    memory_used_bytes: Mapped[int | None] = mapped_column(BigInteger)
    temperature_c: Mapped[float | None] = mapped_column(Double)
    extras: Mapped[dict[str, str] | None] = mapped_column(JSON)
    own_tasks: Mapped[bool | None]
