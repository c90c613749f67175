"""Schemas of requests that create or change jobs."""

from typing import Annotated, Literal, Self

from pydantic import (
    Field,
    StrictBool,
    StringConstraints,
    model_validator,
)
from pydantic_core import PydanticCustomError

from api.schemas.fields import Amount, Moment, MomentOrDuration, Priority, QueueName, RequestModel
from db.core.broker_names import GPU_QUEUE
from db.core.ids import id_pattern
from db.core.label_types import MAX_LABELS, Label, LabelName
from db.core.states import FINAL, JobState
from db.jobs.listing import JobFilter
from db.spec.prune_spec import PruneSpec
from db.spec.pruning.methods import MethodName
from db.spec.quality_gate import Gate
from db.tables.jobs import Job

MOST_CANCELLED = 200
"""How many jobs one request cancels at most."""
MOST_MEMORY_GB = 1e6
"""No device comes near; a number of bytes would not fit into the database."""
Id = Annotated[str, StringConstraints(pattern=f"^{id_pattern('job')}$")]
Text = Annotated[str, StringConstraints(min_length=1, max_length=512, pattern=r"^[^\x00]*$")]
_UNFINISHED = tuple(state for state in JobState if state not in FINAL)


class JobRequest(PruneSpec):
    """A new job: its specification, name, labels, queue and gate."""

    name: Label | None = Field(default=None, description="The job's name.")
    labels: dict[LabelName, Label] = Field(
        default={}, max_length=MAX_LABELS, description="Labels of the caller's choice."
    )
    reuse: Literal["never", "if_succeeded"] = Field(
        default="never",
        description="`if_succeeded`: if a job with the same specification has succeeded, the "
        "response is that job, and no new one is created.",
    )
    queue: QueueName = Field(
        default=GPU_QUEUE,
        description="The queue whose workers can take the job: a class of devices.",
    )
    priority: Priority = Field(default=0, description="Jobs of higher priority are taken first.")
    gate: Gate | None = Field(
        default=None,
        description="Bounds for the job's metrics. The job's `verdict` says whether they were "
        "met; a metric that was not measured counts as out of bounds.",
        examples=[{"max": {"perplexity_ratio": 1.1}, "min": {"sparsity": 0.5}}],
    )
    not_before: MomentOrDuration | None = Field(
        default=None,
        description="The job waits until then: a moment, or a duration from now on, such as `2h`, "
        "`90m` or `1d`.",
        examples=["2h"],
    )
    deadline: MomentOrDuration | None = Field(
        default=None,
        description="The job expires if it has not ended by then: a moment, or a duration from now "
        "on, such as `2h`, `90m` or `1d`.",
        examples=["2027-01-05T18:00:00Z"],
    )
    max_cost: Amount | None = Field(
        default=None,
        description="What the job may cost, where its queue has a price: it is refused if it will "
        "likely cost more, and stops after the block with which it has.",
    )

    min_memory_gb: Annotated[Amount, Field(le=MOST_MEMORY_GB)] | None = Field(
        default=None,
        description="The memory that the device of the job's worker must have, in units of 10⁹ "
        "bytes; the job waits for one that has it.",
    )

    def min_memory_bytes(self) -> int | None:
        return None if self.min_memory_gb is None else round(self.min_memory_gb * 1e9)

    def spec(self) -> PruneSpec:
        """Return the specification, which is the part of the request that the worker reads."""
        return PruneSpec.model_validate(self.model_dump(include=set(PruneSpec.model_fields)))


class JobPatch(RequestModel):
    """Changes to a job's name, labels, priority, pin or bound of cost, as a JSON merge patch.

    Omitted fields stay the same.
    """

    name: Label | None = Field(default=None, description="`null` removes the name.")
    labels: dict[LabelName, Label | None] | None = Field(
        default=None,
        max_length=MAX_LABELS,
        description="Labels to set, or to remove with `null`; `null` as a whole removes all.",
    )
    priority: Priority | None = Field(default=None, description="`null` resets it to 0.")
    pinned: StrictBool | None = Field(
        default=None,
        description="Whether no retention rule may delete the job's files; `null` resets it to "
        "false.",
    )
    max_cost: Amount | None = Field(
        default=None, description="What the job may cost; `null` removes the bound."
    )

    def merged_max_cost(self, job: Job) -> float | None:
        return self.max_cost if "max_cost" in self.model_fields_set else job.max_cost

    def merged_pin(self, job: Job) -> bool:
        return bool(self.pinned) if "pinned" in self.model_fields_set else job.pinned

    def merged_priority(self, job: Job) -> int:
        return (self.priority or 0) if "priority" in self.model_fields_set else job.priority

    def merged_name(self, job: Job) -> str | None:
        return self.name if "name" in self.model_fields_set else job.name

    def merged_labels(self, job: Job) -> dict[str, str]:
        if "labels" not in self.model_fields_set:
            return job.labels
        merged = {} if self.labels is None else job.labels | self.labels
        return {name: value for name, value in merged.items() if value is not None}


class CancelFilter(RequestModel):
    """Which jobs to cancel, as in the list of jobs; those that have ended are left alone."""

    status: list[JobState] = Field(default=[], max_length=32, description="Any of these.")
    model: Text | None = Field(default=None, description="Exactly this model.")
    method: MethodName | None = None
    parent: Id | None = Field(default=None, description="Made by a rerun of this job.")
    sweep: str | None = Field(
        default=None, pattern=f"^{id_pattern('swp')}$", description="The points of this sweep."
    )
    labels: dict[LabelName, Label] = Field(
        default={}, max_length=MAX_LABELS, description="All of these."
    )
    created_by: str | None = Field(
        default=None, pattern=f"^{id_pattern('key')}$", description="Submitted with this key."
    )
    created_after: Moment | None = None
    created_before: Moment | None = None
    q: Text | None = Field(
        default=None, description="Part of the job's name, of its model or of a label."
    )

    @model_validator(mode="after")
    def _restricts_something(self) -> Self:
        if not any(getattr(self, name) for name in type(self).model_fields):
            raise PydanticCustomError("empty_filter", "has no condition")
        return self

    def job_filter(self) -> JobFilter:
        """Return the filter, restricted to jobs that have not ended."""
        given = self.status or _UNFINISHED
        return JobFilter(
            statuses=tuple(state for state in _UNFINISHED if state in given),
            method=self.method,
            model=self.model,
            parent_id=self.parent,
            sweep_id=self.sweep,
            created_by=self.created_by,
            labels=tuple(self.labels.items()),
            text=self.q,
            created_after=self.created_after,
            created_before=self.created_before,
        )


class CancelRequest(RequestModel):
    """The jobs to cancel: by their ids, or by a filter."""

    ids: Annotated[list[Id], Field(min_length=1, max_length=MOST_CANCELLED)] | None = None
    filter: CancelFilter | None = None

    @model_validator(mode="after")
    def _require_one(self) -> Self:
        if (self.ids is None) == (self.filter is None):
            raise PydanticCustomError("ids_or_filter", "has neither ids nor filter, or both")
        return self
