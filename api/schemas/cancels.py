"""Schemas of requests that cancel several jobs."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from api.schemas.fields import Moment
from db.core.ids import id_pattern
from db.core.label_types import MAX_LABELS, Label, LabelName
from db.core.states import FINAL, JobState
from db.jobs.listing import JobFilter
from db.spec.pruning.methods import MethodName

MOST = 200
Id = Annotated[str, StringConstraints(pattern=f"^{id_pattern('job')}$")]
Text = Annotated[str, StringConstraints(min_length=1, max_length=512, pattern=r"^[^\x00]*$")]
_UNFINISHED = tuple(state for state in JobState if state not in FINAL)


class CancelFilter(BaseModel):
    """Which jobs to cancel, as in the list of jobs; those that have ended are left alone."""

    model_config = ConfigDict(extra="forbid")

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
            raise PydanticCustomError(
                "empty_filter", "Input should name at least one condition, such as status"
            )
        return self

    def job_filter(self) -> JobFilter:
        """Return the filter, restricted to jobs that have not ended."""
        given = self.status or _UNFINISHED
        return JobFilter(
            statuses=tuple(one for one in _UNFINISHED if one in given),
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


class CancelRequest(BaseModel):
    """The jobs to cancel: by their ids, or by a filter."""

    model_config = ConfigDict(extra="forbid")

    ids: Annotated[list[Id], Field(min_length=1, max_length=MOST)] | None = None
    filter: CancelFilter | None = None

    @model_validator(mode="after")
    def _require_one(self) -> Self:
        if (self.ids is None) == (self.filter is None):
            raise PydanticCustomError("one_of_both", "Input should have either ids or filter")
        return self


class CancelledJobs(BaseModel):
    """What became of the jobs that were to be cancelled."""

    cancelled: list[str] = Field(
        description="Jobs that are cancelled, or will be once their workers stop."
    )
    ended: list[str] = Field(description="Jobs that had ended, so that nothing was done.")
    missing: list[str] = Field(description="Ids of no job.")
    has_more: bool = Field(
        description=f"Whether more jobs match the filter: one request cancels {MOST} at most."
    )
