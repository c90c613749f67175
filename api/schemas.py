"""What is asked and answered, typed; the OpenAPI document is made of these."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, Literal, Self, TypeVar

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictInt,
    StringConstraints,
)
from pydantic_core import PydanticCustomError

from db import history, listing
from db.gate import Gate, GateFailure, Verdict, gate_failures
from db.models import Artifact, BlockReport, Job, JobEvent
from db.problem import Problem
from db.spec import PruneSpec
from db.states import JobState, Phase
from db.transitions import allowed_actions
from db.wire import GPU_QUEUE

Item = TypeVar("Item")
# PostgreSQL keeps no NUL, and other control characters only break whoever prints them.
Label = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
QueueName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
Priority = Annotated[StrictInt, Field(ge=-10, le=10)]


def _refuse_a_number(value: object) -> object:
    """Seconds since 1970 would be read as well, but nobody was promised that."""
    is_written = isinstance(value, str) and re.match(r"\d{4}-\d\d-\d\d", value)
    if not is_written and not isinstance(value, datetime):
        raise PydanticCustomError("datetime_parsing", "Input should be a date with time and zone")
    return value


# Bounds that every zone and every database can express.
Moment = Annotated[
    AwareDatetime,
    BeforeValidator(_refuse_a_number),
    Field(ge=datetime(1970, 1, 1, tzinfo=UTC), lt=datetime(3000, 1, 1, tzinfo=UTC)),
]
LABELS = 32
"""How many a job may have."""
LabelName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}$")]


class JobRequest(PruneSpec):
    """A job: what to prune and how, what to call it, and whether a finished one will do."""

    name: Label | None = Field(default=None, description="What to call the job.")
    labels: dict[LabelName, Label] = Field(
        default={}, max_length=LABELS, description="The caller's own words, kept as they are."
    )
    reuse: Literal["never", "if_succeeded"] = Field(
        default="never",
        description="`if_succeeded`: if a job with exactly this specification has succeeded, that "
        "one is the answer, and no new one is made.",
    )
    queue: QueueName = Field(
        default=GPU_QUEUE, description="Which workers may take it: a device class."
    )
    priority: Priority = Field(default=0, description="Jobs of a higher one are taken first.")
    gate: Gate | None = Field(
        default=None,
        description="Bounds for the job's figures. The job's `verdict` says whether they were "
        "kept; a figure that was not measured counts as out of bounds.",
        examples=[{"max": {"perplexity_ratio": 1.1}, "min": {"sparsity": 0.5}}],
    )

    deadline: Moment | None = Field(
        default=None,
        description="Expires the job if it has not ended by then.",
        examples=["2027-01-05T18:00:00Z"],
    )

    def spec(self) -> PruneSpec:
        """Return the part that the worker reads."""
        return PruneSpec.model_validate(self.model_dump(include=set(PruneSpec.model_fields)))


class Block(BaseModel):
    """The decoder block that is being worked on."""

    index: int
    total: int
    name: str


class Progress(BaseModel):
    """How far a job is; estimates are as of ``updated_at``."""

    fraction: float
    block: Block | None
    eta_seconds: float | None

    @classmethod
    def of(cls, job: Job) -> Self:
        """Return the progress of a job."""
        block = None
        if job.block_index is not None and job.block_total is not None:
            block = Block(index=job.block_index, total=job.block_total, name=job.block_name or "")
        return cls(fraction=job.progress, block=block, eta_seconds=_eta_seconds(job))


def _eta_seconds(job: Job) -> float | None:
    """Extrapolate from the time so far; a later attempt's start is not known here."""
    if job.status != JobState.running or job.attempt != 1 or job.started_at is None:
        return None
    if not 0 < job.progress < 1:
        return None
    elapsed = (job.updated_at - job.started_at).total_seconds()
    return round(elapsed * (1 - job.progress) / job.progress, 1)


class JobLinks(BaseModel):
    """Where everything about one job is."""

    self: str
    cancel: str
    pause: str
    resume: str
    retry: str
    rerun: str
    result: str
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


class AttemptRead(BaseModel):
    """One worker's time with a job."""

    model_config = ConfigDict(from_attributes=True)

    number: int
    worker: str | None
    device: str | None
    started_at: datetime
    ended_at: datetime | None
    outcome: JobState | None = Field(description="The job's status when the attempt ended.")
    reason: str | None = Field(description="Why it ended, where the status does not say.")
    error: Problem | None


class PhaseRead(BaseModel):
    """What an attempt was busy with, and when."""

    model_config = ConfigDict(from_attributes=True)

    attempt: int
    name: Phase
    started_at: datetime
    ended_at: datetime | None


class JobDetail(JobRead):
    """One job as it stands, and how it came there."""

    attempts: list[AttemptRead]
    phases: list[PhaseRead]

    @classmethod
    def told(cls, job: Job, events: list[JobEvent]) -> Self:
        """Return the face of a job's row and its changes of status and phase."""
        attempts = [AttemptRead.model_validate(one) for one in history.attempts(events)]
        phases = [PhaseRead.model_validate(one) for one in history.phases(events)]
        return cls(attempts=attempts, phases=phases, **_fields(job))


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


class JobPatch(BaseModel):
    """What a job is to be called, and how urgent; what is left out stays (a JSON merge patch)."""

    model_config = ConfigDict(extra="forbid")

    name: Label | None = Field(default=None, description="`null` takes the name away.")
    labels: dict[LabelName, Label | None] | None = Field(
        default=None,
        max_length=LABELS,
        description="Labels to set, or with `null` to take away; `null` for all takes all away.",
    )

    priority: Priority | None = Field(default=None, description="`null` makes it 0.")

    def priority_of(self, job: Job) -> int:
        """Return how urgent the job is afterwards."""
        return (self.priority or 0) if "priority" in self.model_fields_set else job.priority

    def name_of(self, job: Job) -> str | None:
        """Return what the job is called afterwards."""
        return self.name if "name" in self.model_fields_set else job.name

    def labels_of(self, job: Job) -> dict[str, str]:
        """Return the job's labels afterwards."""
        if "labels" not in self.model_fields_set:
            return job.labels
        merged = {} if self.labels is None else job.labels | self.labels
        return {name: value for name, value in merged.items() if value is not None}


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


class EventRead(BaseModel):
    """One thing that happened to a job."""

    model_config = ConfigDict(from_attributes=True)

    seq: int
    at: datetime
    kind: str
    status: JobState
    phase: Phase | None
    attempt: int
    data: dict[str, Any]

    @classmethod
    def of(cls, event: JobEvent) -> Self:
        """Return the face of an event's row."""
        return cls.model_validate(event)


class BlockRead(BaseModel):
    """What the engine measured on one decoder block."""

    model_config = ConfigDict(from_attributes=True)

    index: int
    name: str
    attempt: int
    data: dict[str, Any]

    @classmethod
    def of(cls, report: BlockReport) -> Self:
        """Return the face of a report's row."""
        return cls.model_validate(report)

    def brief(self) -> Self:
        """Return the report without its layers."""
        data = {k: v for k, v in self.data.items() if k not in ("layers", "untouched")}
        return self.model_copy(update={"data": data})


class ArtifactRead(BaseModel):
    """One finished file."""

    id: str
    job_id: str
    name: str
    size_bytes: int
    sha256: str
    media_type: str
    created_at: datetime
    expires_at: datetime | None = None
    url: str

    @classmethod
    def of(cls, artifact: Artifact) -> Self:
        """Return the face of an artifact's row."""
        plain = {
            name: getattr(artifact, name)
            for name in ("id", "job_id", "name", "size_bytes", "sha256", "media_type", "created_at")
        }
        return cls(url=f"/v1/artifacts/{artifact.id}/content", **plain)


class JobResult(BaseModel):
    """What a job that succeeded has measured and made."""

    job_id: str
    metrics: dict[str, Any]
    artifacts: list[ArtifactRead]
    archive: str = Field(description="All files as one tar.")


class MethodRead(BaseModel):
    """One pruning method; ``options`` is the JSON Schema of a job that uses it.

    ``fields`` are those of a job that may name it: a solver may choose the mask itself, as
    ``method``, or repair what a score has left, as ``solver``.
    """

    name: str
    fields: list[str]
    title: str
    summary: str
    source: str
    when_to_use: str
    cost: str
    options: dict[str, Any]


class Page(BaseModel, Generic[Item]):
    """Part of a list; ``next_cursor`` asks for the next part."""

    data: list[Item]
    next_cursor: str | None = None
    has_more: bool = False


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
