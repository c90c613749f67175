"""The field ``refine`` of a specification: how the kept weights of each block are trained."""

from typing import Annotated, ClassVar, Literal

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

from db.spec.descriptions.basics import Basics
from db.spec.descriptions.option import Option, Place, check_fits, flag_or_object
from db.spec.options.calibration import CalibrationFields
from db.spec.pruning.methods import PRUNING

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


Refine = Annotated[RefineSpec | None, flag_or_object("refine", RefineSpec)]


def _check(spec: "RefineFields") -> None:
    """Check that there are windows to train on, and some to hold out."""
    if (refine := spec.refine) is None:
        return
    text = CalibrationFields.of(spec)
    windows = f"refine needs {FEWEST_WINDOWS} calibration windows, an eighth of which it holds out"
    too_few = text.samples is not None and text.samples < FEWEST_WINDOWS
    remedy = f"Set samples to {FEWEST_WINDOWS} or more, or leave refine out."
    check_fits("samples", text.samples, (too_few, windows, remedy))
    least = FEWEST_WINDOWS * (text.seq_len or 1)
    too_few = refine.tokens is not None and refine.tokens < least
    remedy = f"Set its tokens to {least} or more, or leave them out."
    check_fits("refine", refine.model_dump(mode="json"), (too_few, windows, remedy))


class RefineFields(Basics):
    OPTION: ClassVar = Option(
        check=_check,
        varied=("refine",),
        remedies={
            "refine": 'Write true for the defaults, false, or an object such as {{"steps": 24}}.'
        },
        place=Place.refinement,
        only_with={"refine": {"method": PRUNING}},
        labels={
            "refine": "Refine each block",
            "refine.scope": "Refined at once",
            "refine.steps": "Refinement steps",
            "refine.tokens": "Refinement tokens",
            "refine.lr": "Refinement learning rate",
            "refine.norms": "Refine norms, too",
        },
        docs={"refine": "[Refining each block](#refining-each-block)."},
    )

    refine: Refine = Field(
        default=None,
        description="Trains the kept weights of each block, once it is pruned, towards the dense "
        "block's outputs: `true`, or an object that sets more.",
        examples=[{"steps": 96}],
    )
