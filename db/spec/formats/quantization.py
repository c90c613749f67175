"""The fields ``quantize`` and ``rotate`` of a specification: how the kept weights are rounded."""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictInt
from pydantic_core import PydanticCustomError

from db.spec.pruning.globs import Glob

SchemeName = Literal["w4a16", "w8a16"]
BITS: dict[SchemeName, int] = {"w4a16": 4, "w8a16": 8}


class QuantizeSpec(BaseModel):
    """How the kept weights of the pruned matrices are rounded."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    scheme: SchemeName = Field(
        description="Bits of a weight, 4 or 8, and of the activations, which are not rounded."
    )
    group_size: StrictInt | None = Field(
        default=None,
        ge=8,
        le=4096,
        multiple_of=8,
        description="Neighbours of a row that share a scale; by default 32 for 4 bits and 128 for "
        "8, or the largest power of two below that divides all rows.",
    )
    scales: Literal["mse", "minmax"] = Field(
        default="mse",
        description="How a scale is chosen: `mse` for a small squared error, `minmax` for the "
        "largest weight.",
    )
    skip: tuple[Glob, ...] = Field(
        default=(),
        max_length=64,
        fail_fast=True,  # a tuple's length is checked last
        description="Globs of layers that are pruned, but not rounded, such as `*.down_proj`.",
    )


def _from_name(value: object) -> object:
    """Convert the name of a scheme to an object, and ``none`` to None."""
    if isinstance(value, str):
        return None if value == "none" else {"scheme": value}
    if value is None or isinstance(value, dict | QuantizeSpec):
        return value
    raise PydanticCustomError("quantize", "Input should be a scheme such as 'w4a16', or an object")


Quantize = Annotated[
    QuantizeSpec | None,
    BeforeValidator(
        _from_name, json_schema_input_type=Literal[SchemeName, "none"] | QuantizeSpec | None
    ),
]


def _not_rotated(value: object) -> object:
    return None if value == "none" else value


Rotate = Annotated[
    Literal["auto"] | None,
    BeforeValidator(_not_rotated, json_schema_input_type=Literal["auto", "none"] | None),
]
