"""Schemas of jobs in responses."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, Field

from api.core.unchecked import present_warnings
from api.schemas.fields import Advice
from api.schemas.history import AttemptRead, Cost, PhaseRead
from api.schemas.outputs import OutputRead
from api.schemas.pages import Page
from api.schemas.requests import MOST_CANCELLED
from db.core.problem import Problem
from db.core.states import JobState, Phase
from db.events import history
from db.events.transitions import allowed_actions
from db.jobs import listing
from db.scheduling.transient_retries import RETRIES
from db.spec.advice import advice
from db.spec.prune_spec import PruneSpec, untimed
from db.spec.quality_gate import Gate, GateFailure, Verdict, gate_failures
from db.tables.jobs import Job, JobEvent
from db.tables.outputs import Output

REDUCTION = (
    "The share of the dense model that was saved: 1 - (1 - removed) (1 - zeros) bits / 16, with "
    "the share of its parameters that were removed, the share of zeros in what was pruned, and the "
    "bits per rounded weight."
)


class Block(BaseModel):
    """The decoder block that was finished last."""

    index: int
    total: int
    name: str


class Eta(BaseModel):
    """The estimated remaining run time of the job, in seconds."""

    p50: float = Field(description="If the remaining blocks take as long as the finished ones did.")
    p90: float = Field(
        description="The time is likely below it: if each takes as long as the slowest tenth of "
        "the finished ones."
    )
    untimed: list[str] = Field(
        description="What the job does after its blocks that is not in these times, because no "
        "part of it has run."
    )

    @classmethod
    def of(cls, job: Job) -> Self | None:
        if job.status is not JobState.running or job.eta_p50_s is None or job.eta_p90_s is None:
            return None
        ahead = [] if job.phase is Phase.evaluating else untimed(job.spec)
        return cls(p50=job.eta_p50_s, p90=job.eta_p90_s, untimed=ahead)


class Progress(BaseModel):
    """A job's progress at the time of the job's ``updated_at``."""

    fraction: float
    block: Block | None
    eta_seconds: Eta | None = Field(
        description="How long the job will still run; null until a block, or a part of the "
        "measurement after the blocks, is finished."
    )

    @classmethod
    def of(cls, job: Job) -> Self:
        block = None
        if job.block_index is not None and job.block_total is not None:
            block = Block(index=job.block_index, total=job.block_total, name=job.block_name or "")
        return cls(fraction=job.progress, block=block, eta_seconds=Eta.of(job))


class Postponed(BaseModel):
    """When and why a job is attempted again after a temporary failure."""

    until: datetime = Field(description="From then on, it waits for a worker.")
    attempt: int = Field(
        description="The number of the next attempt, from 1, since the job last advanced."
    )
    attempts: int = Field(description="How many attempts there are at most.")
    error: Problem | None = Field(
        description="Why the last attempt failed; null if an earlier release postponed the job."
    )

    @classmethod
    def of(cls, job: Job) -> Self | None:
        if job.status is not JobState.queued or job.not_before is None or not job.retries:
            return None
        error = None if job.error is None else Problem.model_validate(job.error)
        return cls(
            until=job.not_before,
            attempt=job.retries + 1,
            attempts=RETRIES.attempts,
            error=error,
        )


class JobLinks(BaseModel):
    """The paths of a job's resources and actions."""

    self: str
    cancel: str
    pause: str
    resume: str
    retry: str
    rerun: str
    result: str
    metrics: str
    manifest: str
    provenance: str
    events: str
    blocks: str
    logs: str
    queue: str
    artifacts: str
    archive: str
    outputs: str

    @classmethod
    def of(cls, job_id: str) -> Self:
        base = f"/v1/jobs/{job_id}"
        children = {name: f"{base}/{name}" for name in cls.model_fields if name != "self"}
        return cls(self=base, **children)


class Lineage(BaseModel):
    """The jobs whose results led to a model."""

    model: str = Field(description="The model that the first of these jobs pruned.")
    jobs: list[str] = Field(description="The ids of these jobs, the latest first.")


class JobRead(BaseModel):
    """A job."""

    id: str
    name: str | None
    labels: dict[str, Any]
    parent_id: str | None = Field(description="The job that this one is a rerun of.")
    lineage: Lineage | None = Field(
        description="How the model was made, if it is the result of another job."
    )
    queue: str = Field(description="The queue that the job waits in, or was taken from.")
    priority: int
    max_cost: float | None = Field(description="The job stops once it has cost more.")
    min_memory_gb: float | None = Field(description="The memory that its worker must have.")
    created_by: str | None = Field(description="The key with which it was submitted, if any.")
    status: JobState
    phase: Phase | None
    progress: Progress
    spec: PruneSpec
    attempt: int
    worker: str | None
    device: str | None
    sweep_id: str | None = Field(description="The sweep that this job is a point of.")
    result: dict[str, Any] | None = Field(description="Metrics, once the job has succeeded.")
    reduction: float | None = Field(description=REDUCTION)
    accuracy: float | None = Field(
        description="The mean accuracy of the pruned model in the tasks and suites of `tasks`."
    )
    speed: float | None = Field(
        description="How many times faster the pruned model generates text than the dense one, if "
        "that was measured."
    )
    seconds: float | None = Field(
        description="The time from its start to its end, once the job has succeeded."
    )
    size_bytes: int | None = Field(description="The size of all its files when the job succeeded.")
    pinned: bool = Field(description="Whether no retention rule may delete its files.")
    gate: Gate | None
    verdict: Verdict = Field(
        description="Whether the metrics are within the gate, once the job has succeeded."
    )
    gate_failures: list[GateFailure] = Field(description="The bounds of the gate that were missed.")
    error: Problem | None = Field(description="The reason, once the job has failed.")
    warnings: list[str] = Field(
        description="What is likely a mistake in its request, and until it has started, what could "
        "not be checked when it was submitted; "
        "what its worker noticed while it ran; and once it has succeeded, what to know before its "
        "metrics are used."
    )
    deadline: datetime | None = Field(description="The job expires if it has not ended by then.")
    not_before: datetime | None = Field(
        description="The job waits until then: as it was asked for, or after a temporary failure."
    )
    postponed: Postponed | None = Field(
        description="Of a queued job that waits before it is attempted again; it has no position "
        "in the queue until then.",
    )
    actions: list[str] = Field(description="The actions that the status allows.")
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    links: JobLinks

    @classmethod
    def of(cls, job: Job) -> Self:
        return cls(**_fields(job))


class JobDetail(JobRead):
    """A job with its attempts, phases and outputs."""

    queue_position: int | None = Field(
        description="Its position in the queue, from 1; null if it does not wait for a worker, or "
        "if more than a thousand jobs are ahead of it."
    )
    advice: Advice
    cost: Cost | None = Field(
        description="What its attempts have cost at `updated_at`; null if its queue has no price."
    )
    attempts: list[AttemptRead]
    phases: list[PhaseRead]
    outputs: list[OutputRead] = Field(
        description="The targets that its result is sent to, once the job has succeeded."
    )

    @classmethod
    def with_history(
        cls,
        job: Job,
        events: Sequence[JobEvent],
        position: int | None,
        outputs: Sequence[Output],
    ) -> Self:
        """Build a job's details from its row, status and phase events, and what belongs to it."""
        spans = history.attempts(events)
        attempts = [AttemptRead.model_validate(attempt) for attempt in spans]
        phases = [PhaseRead.model_validate(phase) for phase in history.phases(events)]
        sent = [OutputRead.of(output) for output in outputs]
        return cls(
            advice=advice(job.spec),
            cost=Cost.so_far(spans, job.price, job.updated_at),
            attempts=attempts,
            phases=phases,
            outputs=sent,
            queue_position=position,
            **_fields(job),
        )


class JobPreview(BaseModel):
    """The job that a submission would create."""

    spec: PruneSpec = Field(description="With all defaults filled in.")
    name: str | None
    labels: dict[str, Any]
    parent_id: str | None
    queue: str
    priority: int
    gate: Gate | None = None
    warnings: list[str] = Field(description="What could not be checked, or is likely a mistake.")
    advice: Advice
    likely_cost: Cost | None = Field(
        default=None,
        description="What it likely stays below; null unless a bound or a budget needs it.",
    )
    identical_job_id: str | None = Field(
        description="A job with the same specification that has succeeded."
    )


class Facets(BaseModel):
    """The number of jobs by status, by method and by verdict; values without jobs are omitted."""

    status: dict[JobState, int]
    method: dict[str, int]
    verdict: dict[Verdict, int]

    @classmethod
    def of(cls, facets: listing.Facets) -> Self:
        return cls(status=facets.status, method=facets.method, verdict=facets.verdict)


class CancelledJobs(BaseModel):
    """What became of the jobs that were to be cancelled."""

    cancelled: list[str] = Field(
        description="Jobs that are cancelled, or will be once their workers stop."
    )
    ended: list[str] = Field(description="Jobs that had ended, so that nothing was done.")
    missing: list[str] = Field(description="Ids of no job.")
    has_more: bool = Field(
        description=f"Whether more jobs match: one request cancels {MOST_CANCELLED} at most."
    )


class JobPage(Page[JobRead]):
    """One page of a list of jobs."""

    facets: Facets | None = Field(default=None, description="Only with `include=facets`.")


def _fields(job: Job) -> dict[str, Any]:
    gate = None if job.gate is None else Gate.model_validate(job.gate)
    failed = gate_failures(gate, job.result or {}) if gate and job.verdict == "fail" else []
    asked = job.min_memory_bytes
    computed = {
        "min_memory_gb": None if asked is None else asked / 1e9,
        "progress": Progress.of(job),
        "links": JobLinks.of(job.id),
        "actions": allowed_actions(job.status),
        "gate": gate,
        "gate_failures": failed,
        "error": job.error if job.status.is_final else None,
        "postponed": Postponed.of(job),
        "warnings": present_warnings(job),
    }
    return {
        name: getattr(job, name) for name in JobRead.model_fields.keys() - computed.keys()
    } | computed
