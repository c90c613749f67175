"""What is asked of jobs, typed."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from api.schemas.fields import LABELS, Label, LabelName, Moment, Priority, QueueName
from db.core.broker_names import GPU_QUEUE
from db.spec.prune_spec import PruneSpec
from db.spec.quality_gate import Gate
from db.tables.jobs import Job


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
