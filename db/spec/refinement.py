"""The field ``refine`` of a specification: how the kept weights of each block are trained."""

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

FEWEST_WINDOWS = 8
"""The minimum number of calibration windows; of these, one is held out."""


def _from_auto(value: object) -> object:
    return None if value == "auto" else value


LearningRate = Annotated[
    Annotated[StrictFloat, Field(gt=0, le=1)] | None,
    BeforeValidator(_from_auto),
    # The same in requests and in responses, so that both have one schema of the object.
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
                {"type": "string", "const": "auto"},
                {"type": "null"},
            ]
        }
    ),
]


class RefineSpec(BaseModel):
    """How the kept weights of each block are trained towards the dense block's outputs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    scope: Literal["block", "half"] = Field(
        default="block",
        description="What is trained at once: a `block`, or each `half` of it, which takes less "
        "memory.",
    )
    steps: StrictInt = Field(
        default=128,
        ge=0,
        le=10_000,
        description="Optimizer steps for each block, or half of it; each takes about 1,024 tokens.",
    )
    tokens: StrictInt | None = Field(
        default=None,
        ge=1,
        description="The most calibration tokens to use; by default all. An eighth is held out.",
    )
    lr: LearningRate = Field(
        default=None,
        description="The highest learning rate; by default 1e-3 up to 500 million parameters, "
        "falling to 3e-5 at 7 billion.",
    )
    norms: StrictBool = Field(
        default=True, description="Whether the weights of the block's norms are trained as well."
    )


def _from_flag(value: object) -> Any:
    """Convert ``true`` to an object with the defaults, and ``false`` to None."""
    if isinstance(value, bool):
        return {} if value else None
    if value is None or isinstance(value, dict | RefineSpec):
        return value
    raise PydanticCustomError("refine", "Input should be true, false or an object")


Refine = Annotated[
    RefineSpec | None,
    BeforeValidator(_from_flag, json_schema_input_type=bool | RefineSpec | None),
]
