"""The field ``binarize`` of a specification: weights that take two values, and N of 8 are kept."""

from collections.abc import Mapping
from math import ceil, floor
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictFloat, StrictInt
from pydantic_core import PydanticCustomError

from db.spec.pruning.methods import MethodName

GROUP = 8
"""Of each eight neighbours of a row, some are kept."""
BINARIZATION_METRICS = tuple(
    f"binarization.{name}"
    for name in (
        "kept",
        "bits_per_weight",
        "mask_bits_per_weight",
        "sign_bits_per_weight",
        "second_sign_bits_per_weight",
        "scale_bits_per_weight",
        "index_bits_per_weight",
    )
)
"""The names of the metrics."""


class BinarizeSpec(BaseModel):
    """How many weights are kept, and which of these share their values."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kept: StrictFloat = Field(
        default=4.0,
        ge=1,
        le=GROUP,
        description="Weights that are kept of each eight neighbours, the mean over the blocks.",
    )
    low: StrictInt | None = Field(
        default=None,
        ge=1,
        le=GROUP,
        description="The fewest that a block keeps of each eight; by default one less than `kept`.",
    )
    high: StrictInt | None = Field(
        default=None,
        ge=1,
        le=GROUP,
        description="The most that a block keeps of each eight; by default one more than `kept`.",
    )
    group_size: StrictInt = Field(
        default=128,
        ge=GROUP,
        le=4096,
        multiple_of=GROUP,
        description="Neighbours of a row whose kept weights share two values.",
    )
    salient: StrictFloat = Field(
        default=0.05,
        ge=0,
        le=0.5,
        description="Share of the columns of each group that are binarised twice, so that their "
        "kept weights take four values.",
    )

    @property
    def limits(self) -> tuple[int, int]:
        """The fewest and the most weights that a block keeps of each eight."""
        low = max(1, floor(self.kept) - 1) if self.low is None else self.low
        high = min(GROUP, ceil(self.kept) + 1) if self.high is None else self.high
        return low, high


def implied_method(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a request's fields, with the method ``none`` if it binarises and names no method."""
    if fields.get("binarize") in (None, False) or fields.get("method") is not None:
        return fields
    return {**fields, "method": MethodName.none}


def _from_flag(value: object) -> Any:
    """Convert ``true`` to an object with the defaults, and ``false`` to None."""
    if isinstance(value, bool):
        return {} if value else None
    if value is None or isinstance(value, dict | BinarizeSpec):
        return value
    raise PydanticCustomError("binarize", "Input should be true, false or an object")


Binarize = Annotated[
    BinarizeSpec | None,
    BeforeValidator(_from_flag, json_schema_input_type=bool | BinarizeSpec | None),
]
