"""The query parameters of the list of jobs; unknown ones are refused."""

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    Field,
    GetPydanticSchema,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError
from pydantic_core.core_schema import literal_schema

from api.schemas.fields import Moment, RequestModel
from api.web.cursors import check_cursor, job_place_of, metric_place_of
from db.core.ids import id_pattern
from db.core.label_types import MAX_LABELS
from db.core.sort_key import ORDERS, MetricKey, SortKey, SortMetric
from db.core.states import JobState
from db.jobs.listing import JobFilter
from db.spec.pruning.methods import MethodName
from db.spec.quality_gate import Verdict
from db.tables.outputs import OutputState

Text = Annotated[str, StringConstraints(min_length=1, max_length=512, pattern=r"^[^\x00]*$")]


DOTTED = "label."
LabelPair = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}:[^\x00-\x1f\x7f]{0,200}$"),
]


def _check_labels(pairs: list[str]) -> list[str]:
    """Refuse two values for one label, because no job has both."""
    pairs_seen = {_name_and_value(pair) for pair in pairs}
    if len({name for name, _ in pairs_seen}) < len(pairs_seen):
        raise PydanticCustomError("label_twice", "has a label twice")
    return pairs


Labels = Annotated[list[LabelPair], AfterValidator(_check_labels)]
Cursor = Annotated[str, StringConstraints(max_length=200)]
Sort = Annotated[str, GetPydanticSchema(lambda _, __: literal_schema(list(ORDERS)))]
BY_TIME = {"created", "-created"}


class JobTableQuery(RequestModel):
    """The query parameters of the list of jobs as one table: its filters and its order."""

    status: list[JobState] = Field(default=[], max_length=32, description="Any of these.")
    model: Text | None = Field(default=None, description="Exactly this model.")
    method: MethodName | None = None
    created_after: Moment | None = Field(default=None, description="Later than this moment.")
    created_before: Moment | None = Field(default=None, description="Earlier than this moment.")
    parent: str | None = Field(
        default=None,
        pattern=f"^{id_pattern('job')}$",
        description="Made by a rerun of this job.",
    )
    sweep: str | None = Field(
        default=None, pattern=f"^{id_pattern('swp')}$", description="The points of this sweep."
    )
    label: Labels = Field(
        default=[],
        max_length=MAX_LABELS,
        description="All of these, as `name:value`; `label.name=value` says the same.",
        examples=[["team:search"]],
    )
    verdict: Verdict | None = Field(default=None, description="The verdict of the job's gate.")
    created_by: str | None = Field(
        default=None, pattern=f"^{id_pattern('key')}$", description="Submitted with this key."
    )
    output: OutputState | None = Field(
        default=None, description="One of the outputs is in this state."
    )
    q: Text | None = Field(
        default=None,
        description="Part of the job's name, of its model or of a label such as `team=nlp`, in "
        "any case; or six or more characters of its id.",
    )
    sort: Sort = Field(
        default="-created",
        description="The creation time or a metric, ascending, or descending after `-`. Jobs "
        "without the metric come last, newest first.",
    )

    @model_validator(mode="before")
    @classmethod
    def _merge_dotted_labels(cls, given: Any) -> Any:
        """Read ``label.name=value`` as ``label=name:value``."""
        if not isinstance(given, dict):
            return given
        dotted = {name: value for name, value in given.items() if name.startswith(DOTTED)}
        kept = {name: value for name, value in given.items() if name not in dotted}
        if dotted:
            kept["label"] = _listed(kept.get("label", [])) + [
                f"{name.removeprefix(DOTTED)}:{value}"
                for name, values in dotted.items()
                for value in _listed(values)
            ]
        return kept

    def job_filter(self) -> JobFilter:
        """Return the filter that the parameters describe."""
        return JobFilter(
            statuses=tuple(dict.fromkeys(self.status)),
            method=self.method,
            model=self.model,
            parent_id=self.parent,
            sweep_id=self.sweep,
            verdict=self.verdict,
            created_by=self.created_by,
            output=self.output,
            labels=tuple(_name_and_value(pair) for pair in self.label),
            text=self.q,
            created_after=self.created_after,
            created_before=self.created_before,
        )

    @property
    def descending(self) -> bool:
        return self.sort.startswith("-")

    @property
    def metric(self) -> SortMetric | None:
        """The metric by which the list is sorted; None for the creation time."""
        return None if self.sort in BY_TIME else SortMetric(self.sort.removeprefix("-"))


class JobQuery(JobTableQuery):
    """The query parameters of the list of jobs."""

    limit: int = Field(default=50, ge=1, le=200, description="How many at most.")
    cursor: Cursor | None = Field(default=None, description="A `next_cursor`.")
    include: Literal["facets"] | None = Field(
        default=None,
        description="`facets`: also count all jobs by status, method and verdict, each as if it "
        "were not filtered itself.",
    )

    @field_validator("cursor")
    @classmethod
    def _is_of_this_order(cls, cursor: str | None, info: ValidationInfo) -> str | None:
        if cursor is not None:
            is_by_time = info.data.get("sort", "created") in BY_TIME
            check_cursor(cursor, job_place_of if is_by_time else metric_place_of)
        return cursor

    def place(self) -> SortKey | None:
        """Return the sort key after which the page starts, in a list sorted by creation time."""
        return None if self.cursor is None else job_place_of(self.cursor)

    def metric_place(self) -> SortKey | MetricKey | None:
        """Return the sort key after which the page starts, in a list sorted by a metric."""
        return None if self.cursor is None else metric_place_of(self.cursor)

    def link(self, cursor: str) -> dict[str, Any]:
        """Return the query parameters of the next page."""
        given = self.model_dump(mode="json", exclude_unset=True)
        return given | {"limit": self.limit, "cursor": cursor}


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _name_and_value(pair: str) -> tuple[str, str]:
    name, _, value = pair.partition(":")
    return name, value
