"""What is asked and answered, typed; the OpenAPI document is made of these."""

from datetime import datetime
from typing import Annotated, Any, Generic, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from db import listing
from db.models import Artifact, BlockReport, Job, JobEvent
from db.problem import Problem
from db.spec import PruneSpec
from db.states import JobState, Phase

Item = TypeVar("Item")
# PostgreSQL keeps no NUL, and other control characters only break whoever prints them.
Label = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
LabelName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}$")]


class JobRequest(PruneSpec):
    """A job: what to prune and how, what to call it, and whether a finished one will do."""

    name: Label | None = Field(default=None, description="What to call the job.")
    labels: dict[LabelName, Label] = Field(
        default={}, max_length=32, description="The caller's own words, kept as they are."
    )
    reuse: Literal["never", "if_succeeded"] = Field(
        default="never",
        description="`if_succeeded`: if a job with exactly this specification has succeeded, that "
        "one is the answer, and no new one is made.",
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
    retry: str
    rerun: str
    result: str
    events: str
    blocks: str
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
    status: JobState
    phase: Phase | None
    progress: Progress
    spec: PruneSpec
    attempt: int
    worker: str | None
    device: str | None
    result: dict[str, Any] | None = Field(description="Metrics, once the job has succeeded.")
    error: Problem | None = Field(description="What went wrong, once the job has failed.")
    warnings: list[str] = Field(description="What could not be checked before acceptance.")
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    links: JobLinks

    @classmethod
    def of(cls, job: Job) -> Self:
        """Return the face of a job's row."""
        names = cls.model_fields.keys() - {"progress", "links"}
        plain = {name: getattr(job, name) for name in names}
        return cls(progress=Progress.of(job), links=JobLinks.of(job.id), **plain)


class JobPreview(BaseModel):
    """What would be accepted."""

    spec: PruneSpec = Field(description="With every default filled in.")
    name: str | None
    labels: dict[str, Any]
    parent_id: str | None
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
