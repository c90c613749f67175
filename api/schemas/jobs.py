"""Jobs as they are answered."""

from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, Field

from api.schemas.history import AttemptRead, PhaseRead
from api.schemas.pages import Page
from db.core.problem import Problem
from db.core.states import JobState, Phase
from db.events import history
from db.events.transitions import allowed_actions
from db.jobs import listing
from db.spec.prune_spec import PruneSpec
from db.spec.quality_gate import Gate, GateFailure, Verdict, gate_failures
from db.tables.jobs import Job, JobEvent


class Block(BaseModel):
    """The decoder block that was finished last."""

    index: int
    total: int
    name: str


class Eta(BaseModel):
    """How many seconds are left."""

    p50: float = Field(description="If the blocks to come take as long as those so far.")
    p90: float = Field(description="If each takes as long as the slowest tenth of those so far.")

    @classmethod
    def of(cls, job: Job) -> Self | None:
        """Return what the job's worker has worked out last."""
        if job.status is not JobState.running or job.eta_p50_s is None or job.eta_p90_s is None:
            return None
        return cls(p50=job.eta_p50_s, p90=job.eta_p90_s)


class Progress(BaseModel):
    """How far a job is; estimates are as of ``updated_at``."""

    fraction: float
    block: Block | None
    eta_seconds: Eta | None = Field(
        description="How long the job will still run; None until a block is done."
    )

    @classmethod
    def of(cls, job: Job) -> Self:
        """Return the progress of a job."""
        block = None
        if job.block_index is not None and job.block_total is not None:
            block = Block(index=job.block_index, total=job.block_total, name=job.block_name or "")
        return cls(fraction=job.progress, block=block, eta_seconds=Eta.of(job))


class JobLinks(BaseModel):
    """Where everything about one job is."""

    self: str
    cancel: str
    pause: str
    resume: str
    retry: str
    rerun: str
    result: str
    metrics: str
    manifest: str
    events: str
    blocks: str
    logs: str
    queue: str
    artifacts: str
    archive: str

    @classmethod
    def of(cls, job_id: str) -> Self:
        """Return the links of one job."""
        base = f"/v1/jobs/{job_id}"
        below = {name: f"{base}/{name}" for name in cls.model_fields if name != "self"}
        return cls(self=base, **below)


class JobRead(BaseModel):
    """One job as it stands."""

    id: str
    name: str | None
    labels: dict[str, Any]
    parent_id: str | None = Field(description="The job that this one is a rerun of.")
    queue: str = Field(description="The queue it waits in, or was taken from.")
    priority: int
    created_by: str | None = Field(description="The key that it was submitted with, if any.")
    status: JobState
    phase: Phase | None
    progress: Progress
    spec: PruneSpec
    attempt: int
    worker: str | None
    device: str | None
    sweep_id: str | None = Field(description="The sweep that this job is a point of.")
    result: dict[str, Any] | None = Field(description="Metrics, once the job has succeeded.")
    gate: Gate | None
    verdict: Verdict = Field(description="What the gate says, once the job has succeeded.")
    gate_failures: list[GateFailure] = Field(description="The bounds that were not kept.")
    error: Problem | None = Field(description="What went wrong, once the job has failed.")
    warnings: list[str] = Field(description="What could not be checked before acceptance.")
    deadline: datetime | None = Field(description="Expires the job if it has not ended by then.")
    not_before: datetime | None = Field(
        description="After a failure that may pass: when it is tried again."
    )
    actions: list[str] = Field(description="What its status allows a caller to ask.")
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    links: JobLinks

    @classmethod
    def of(cls, job: Job) -> Self:
        """Return the face of a job's row."""
        return cls(**_fields(job))


class JobDetail(JobRead):
    """One job as it stands, and how it came there."""

    queue_position: int | None = Field(
        description="Its place in the queue, from 1; None: it does not wait, or more than a "
        "thousand jobs are ahead of it."
    )
    attempts: list[AttemptRead]
    phases: list[PhaseRead]

    @classmethod
    def told(cls, job: Job, events: list[JobEvent], position: int | None) -> Self:
        """Return the face of a job's row, its changes of status and phase, and its position."""
        attempts = [AttemptRead.model_validate(one) for one in history.attempts(events)]
        phases = [PhaseRead.model_validate(one) for one in history.phases(events)]
        own = {"attempts": attempts, "phases": phases, "queue_position": position}
        return cls(**own, **_fields(job))


class JobPreview(BaseModel):
    """What would be accepted."""

    spec: PruneSpec = Field(description="With every default filled in.")
    name: str | None
    labels: dict[str, Any]
    parent_id: str | None
    queue: str
    priority: int
    gate: Gate | None = None
    warnings: list[str] = Field(description="What could not be checked.")
    identical_job_id: str | None = Field(
        description="A job with exactly this specification that has succeeded."
    )


class Facets(BaseModel):
    """How many jobs there are of each kind; a kind without jobs is left out."""

    status: dict[JobState, int]
    method: dict[str, int]

    @classmethod
    def of(cls, facets: listing.Facets) -> Self:
        """Return the face of what was counted."""
        return cls(status=facets.status, method=facets.method)


class JobPage(Page[JobRead]):
    """Part of a list of jobs."""

    facets: Facets | None = Field(default=None, description="With `include=facets` only.")


def _fields(job: Job) -> dict[str, Any]:
    """Return what a job's face is made of."""
    gate = None if job.gate is None else Gate.model_validate(job.gate)
    failed = gate_failures(gate, job.result or {}) if gate and job.verdict == "fail" else []
    made = {
        "progress": Progress.of(job),
        "links": JobLinks.of(job.id),
        "actions": allowed_actions(job.status),
        "gate": gate,
        "gate_failures": failed,
    }
    return {name: getattr(job, name) for name in JobRead.model_fields.keys() - made.keys()} | made
