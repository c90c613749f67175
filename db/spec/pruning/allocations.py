"""Allocations: how the sparsity of a job is distributed over blocks and matrices."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictFloat,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic_core import PydanticCustomError


class AllocationName(StrEnum):
    """How the sparsity is distributed: over the blocks or, with ``matrix``, within each block."""

    uniform = "uniform"
    owl = "owl"
    dlp = "dlp"
    matrix = "matrix"


DEFAULT_SPREADS: Mapping[str, float] = {"owl": 0.08, "dlp": 0.15, "matrix": 0.15}


class SpreadAllocation(BaseModel):
    """An allocation with its spread, which limits how much the sparsities differ."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Literal["owl", "dlp", "matrix"]
    spread: StrictFloat = Field(
        gt=0,
        le=0.5,
        description="For `owl` and `dlp` half the distance between the most and the least pruned "
        "block; for `matrix` the most by which a matrix's sparsity differs from the job's.",
    )


BlockSparsity = Annotated[StrictFloat, Field(ge=0, lt=1)]
BlockSparsities = Annotated[tuple[BlockSparsity, ...], Field(min_length=1, max_length=1024)]


def _one_error(value: object, validate: ValidatorFunctionWrapHandler) -> object:
    """Report one error for an allocation, instead of one for each type it could have."""
    try:
        return validate(value)
    except ValidationError:
        raise PydanticCustomError(
            "allocation",
            "is not an allocation",
        ) from None


def _simplest(
    value: AllocationName | tuple[float, ...] | SpreadAllocation,
) -> AllocationName | tuple[float, ...] | SpreadAllocation:
    """Return only the name if the spread is the default, so that equal jobs have equal specs."""
    if isinstance(value, SpreadAllocation) and value.spread == DEFAULT_SPREADS[value.name]:
        return AllocationName(value.name)
    return value


Allocation = Annotated[
    AllocationName | BlockSparsities | SpreadAllocation,
    AfterValidator(_simplest),
    WrapValidator(_one_error),
]
