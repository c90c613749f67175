"""The request for a sweep, and the sweep's points, each of which becomes a job."""

from collections.abc import Iterator, Sequence
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from fastapi.exceptions import RequestValidationError
from pydantic import Field, JsonValue, StrictInt, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from api.schemas.requests import JobRequest
from db.core.digests import digest
from db.core.errors import SpecRefusedError
from db.core.escaping import quoted
from db.jobs.sweeps import Point
from db.spec.combination import check_combination
from db.spec.metrics import check_gate
from db.spec.outputs.targets import HubOutput, Target
from db.spec.prune_spec import VARIED

MAX_POINTS = 200

if TYPE_CHECKING:
    Varied = str
else:
    Varied = Literal[VARIED]

Values = Annotated[list[JsonValue], Field(min_length=1, max_length=MAX_POINTS)]


class SweepRequest(JobRequest):
    """A new sweep: fields that apply to all its jobs, and fields that differ between the jobs.

    The differing fields are given by either ``grid`` or ``jobs``.
    """

    sparsity: float | None = Field(  # type: ignore[assignment] # each point has one
        default=None, ge=0, lt=1, description="For points that do not set their own."
    )
    reuse: Literal["never"] = "never"
    grid: dict[Varied, Values] | None = Field(
        default=None, description="Values of each varied field; every combination is a point."
    )
    jobs: Annotated[list[dict[Varied, JsonValue]], Field(min_length=1, max_length=200)] | None = (
        Field(default=None, description="The varied fields of each point.")
    )
    max_parallel: StrictInt | None = Field(
        default=None, ge=1, le=MAX_POINTS, description="The most points that run at once."
    )

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, data: Any) -> Any:
        """Return the data unchanged.

        In a request for one job, this validator sets the fields that a preset, method or pattern
        implies. A sweep sets them later, for each point: its preset, method and pattern may differ.
        """
        return data

    @model_validator(mode="after")
    def _require_grid_or_jobs(self) -> Self:
        if (not self.grid) == (not self.jobs):
            raise PydanticCustomError("one_of_both", "has neither grid nor jobs, or both")
        if self.grid and (count := prod(map(len, self.grid.values()))) > MAX_POINTS:
            raise PydanticCustomError(
                "too_many_points",
                "has {count} points, and a sweep has at most {most}",
                {"count": count, "most": MAX_POINTS},
            )
        return self

    def base(self) -> dict[str, Any]:
        """Return the fields that the request sets for all points."""
        sweep_only = SweepRequest.model_fields.keys() - JobRequest.model_fields.keys()
        unset = {"sparsity"} if self.sparsity is None else set()
        return self.model_dump(mode="json", exclude=sweep_only | unset, exclude_unset=True)

    def points(self) -> list[Point]:
        """Return all points, in the order of ``jobs`` or of the grid's combinations.

        Raises:
            RequestValidationError: a point is not a valid job.
            SpecRefusedError: a point's options cannot be combined, a point will not have a metric
                of the gate, two points are equal, or their results would be sent to one repository.
        """
        _require_separate_outputs(self.output)
        points: list[Point] = []
        numbers: dict[str, int] = {}
        for number, varied in enumerate(self._combinations()):
            request = self._request(number, varied)
            spec = request.spec()
            try:
                check_combination(spec)
                check_gate(self.gate, spec)
            except SpecRefusedError as error:
                raise at_point(error, number, varied) from None
            first = numbers.setdefault(digest(spec.model_dump(mode="json")), number)
            if first != number:
                raise _equal_points(first, number, varied)
            points.append(Point(varied, spec))
        return points

    def _combinations(self) -> Iterator[dict[str, JsonValue]]:
        if self.jobs:
            for job in self.jobs:
                yield {str(name): value for name, value in job.items()}
            return
        grid = self.grid or {}
        for values in product(*grid.values()):
            yield dict(zip(grid, values, strict=True))

    def _request(self, number: int, varied: dict[str, JsonValue]) -> JobRequest:
        try:
            return JobRequest.model_validate(self.base() | varied)
        except ValidationError as refused:
            place = ("body", "jobs", number) if self.jobs else ("body", "grid")
            where = _description(number, varied)
            errors = [
                error | {"loc": (*place, *error["loc"])} | {"where": where}
                for error in refused.errors()
            ]
            raise RequestValidationError(errors) from None


def at_point(error: SpecRefusedError, number: int, varied: dict[str, JsonValue]) -> Exception:
    """Return the error with the number and the varied values of the point that has it."""
    reason = f"{error.reason} (in {_description(number, varied)})"
    return SpecRefusedError(error.field, error.value, error.code, reason, error.remedy)


def _require_separate_outputs(targets: Sequence[Target]) -> None:
    for index, target in enumerate(targets):
        if isinstance(target, HubOutput):
            raise SpecRefusedError(
                f"output.{index}.hub",
                target.hub,
                "shared_output",
                "the jobs of a sweep would replace each other's files in one repository",
                "Use a bucket or an MLflow server, or rerun the best job with this output.",
            )


def _equal_points(first: int, second: int, varied: dict[str, JsonValue]) -> Exception:
    field = next(iter(varied), "sparsity")
    return SpecRefusedError(
        field,
        varied.get(field),
        "same_points",
        f"points {first} and {second} are equal",
        "Remove one of them.",
    )


def _description(number: int, varied: dict[str, JsonValue]) -> str:
    fields = ", ".join(f"{name} {quoted(value)}" for name, value in varied.items())
    return f"point {number}: {fields}" if fields else f"point {number}"
