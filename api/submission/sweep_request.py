"""A request for a sweep, and the points that it asks for."""

from collections.abc import Iterator
from itertools import product
from math import prod
from typing import Annotated, Any, Literal, Self

from fastapi.exceptions import RequestValidationError
from pydantic import Field, JsonValue, StrictInt, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from api.problems.validation import quoted
from api.schemas.requests import JobRequest
from db.core.digests import digest
from db.core.errors import SpecRefusedError
from db.jobs.sweeps import Point
from db.spec.combinations import check_combination

MAX_POINTS = 200

Varied = Literal[
    "sparsity",
    "method",
    "pattern",
    "solver",
    "allocation",
    "scope",
    "correction",
    "damping",
    "propagation",
    "skip",
]
"""Fields that change what is pruned and not what is measured: only so do points compare, and share
one measurement of the dense model."""

Values = Annotated[list[JsonValue], Field(min_length=1, max_length=MAX_POINTS)]


class SweepRequest(JobRequest):
    """A job's fields, and those in which its points differ: a ``grid``, or a list of ``jobs``."""

    sparsity: float | None = Field(  # type: ignore[assignment] # each point has one
        default=None, ge=0, lt=1, description="Of those points that do not say it themselves."
    )
    reuse: Literal["never"] = "never"
    grid: dict[Varied, Values] | None = Field(
        default=None, description="Values of each field; every combination of them is a point."
    )
    jobs: Annotated[list[dict[Varied, JsonValue]], Field(min_length=1, max_length=200)] | None = (
        Field(default=None, description="The fields of each point, one by one.")
    )
    max_parallel: StrictInt | None = Field(
        default=None, ge=1, le=MAX_POINTS, description="How many points may run at once."
    )

    @model_validator(mode="before")
    @classmethod
    def _imply_sparsity(cls, data: Any) -> Any:
        """Leave it to the points: each may have a pattern of its own."""
        return data

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (not self.grid) == (not self.jobs):
            raise PydanticCustomError("one_of_both", "Input should have either grid or jobs")
        if self.grid and (count := prod(map(len, self.grid.values()))) > MAX_POINTS:
            raise PydanticCustomError(
                "too_many_points",
                "Its grid has {count} points, a sweep at most {most}",
                {"count": count, "most": MAX_POINTS},
            )
        return self

    def base(self) -> dict[str, Any]:
        """Return the fields that all points share."""
        own = SweepRequest.model_fields.keys() - JobRequest.model_fields.keys()
        nothing = {"sparsity"} if self.sparsity is None else set()
        return self.model_dump(mode="json", exclude=own | nothing)

    def points(self) -> list[Point]:
        """Return the points in order.

        Raises:
            RequestValidationError: one of them is no valid job; its place is named.
            SpecRefusedError: its options do not go together, or an earlier point is the same.
        """
        points: list[Point] = []
        seen: dict[str, int] = {}
        for number, varied in enumerate(self._varied()):
            request = self._request(number, varied)
            spec = request.spec()
            try:
                check_combination(spec)
            except SpecRefusedError as error:
                raise _of_point(error, number, varied) from None
            twin = seen.setdefault(digest(spec.model_dump(mode="json")), number)
            if twin != number:
                raise _twins(twin, number, varied)
            points.append(Point(varied, spec))
        return points

    def _varied(self) -> Iterator[dict[str, JsonValue]]:
        if self.jobs:
            for one in self.jobs:
                yield {str(name): value for name, value in one.items()}
            return
        grid = self.grid or {}
        for values in product(*grid.values()):
            yield dict(zip(grid, values, strict=True))

    def _request(self, number: int, varied: dict[str, JsonValue]) -> JobRequest:
        try:
            return JobRequest.model_validate(self.base() | varied)
        except ValidationError as refused:
            place = ("body", "jobs", number) if self.jobs else ("body", "grid")
            words = _words(number, varied)
            errors = [
                error | {"loc": (*place, *error["loc"])} | {"msg": f"{error['msg']} (in {words})"}
                for error in refused.errors()
            ]
            raise RequestValidationError(errors) from None


def _of_point(error: SpecRefusedError, number: int, varied: dict[str, JsonValue]) -> Exception:
    reason = f"{error.reason} (in {_words(number, varied)})"
    return SpecRefusedError(error.field, error.value, error.code, reason, error.remedy)


def _twins(first: int, second: int, varied: dict[str, JsonValue]) -> Exception:
    field = next(iter(varied), "sparsity")
    return SpecRefusedError(
        field,
        varied.get(field),
        "same_points",
        f"points {first} and {second} are the same job",
        "Leave one of them out.",
    )


def _words(number: int, varied: dict[str, JsonValue]) -> str:
    said = ", ".join(f"{name} {quoted(value)}" for name, value in varied.items())
    return f"point {number}: {said}" if said else f"point {number}"
