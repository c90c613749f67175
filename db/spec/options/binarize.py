"""The field ``binarize`` of a specification: weights that take two values, and N of 8 are kept."""

from collections.abc import Mapping
from math import ceil, floor
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, StrictFloat, StrictInt

from db.spec.descriptions.basics import Basics
from db.spec.descriptions.option import Option, Place, check_fits, check_unused, flag_or_object
from db.spec.descriptions.result_part import ResultPart
from db.spec.pruning.methods import MethodName

GROUP = 8
"""Of each eight neighbours of a row, some are kept."""


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


_IMPLIED = {"method": MethodName.none, "sparsity": 0.0}


def _with_implied(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a request's fields; if it binarises, with those of `_IMPLIED` that it does not set."""
    if fields.get("binarize") in (None, False):
        return fields
    own = {name: value for name, value in fields.items() if value is not None}
    return {**fields, **_IMPLIED, **own}


Binarize = Annotated[BinarizeSpec | None, flag_or_object("binarize", BinarizeSpec)]

_CHOOSES = "binarize chooses the zeros and the values of the kept weights itself"
_OF_WEIGHTS = (
    *("sparsity", "ratio", "pattern", "solver", "variant", "correction", "damping", "allocation"),
    *("scope", "refine", "recover", "quantize"),
)
"""Fields that decide which weights become zero, or that change the others."""


def _check(spec: "BinarizeFields") -> None:
    """Check that nothing else decides the weights of a binarised model, and its numbers."""
    if (binarize := spec.binarize) is None:
        return
    remedy = "Leave method and preset out, or leave binarize out."
    check_fits("method", spec.method.value, (spec.method is not MethodName.none, _CHOOSES, remedy))
    check_unused(spec, _OF_WEIGHTS, _CHOOSES)
    low, high = binarize.limits
    reason = f"kept is {binarize.kept:g}, and blocks keep from {low} to {high}"
    remedy = "Set low and high so that kept is between them, or leave them out."
    is_outside = not low <= binarize.kept <= high
    check_fits("binarize", binarize.model_dump(mode="json"), (is_outside, reason, remedy))


class BinarizeFields(Basics):
    OPTION: ClassVar = Option(
        check=_check,
        order=-1,  # it sets the method none, whose own check would name another reason
        complete=_with_implied,
        varied=("binarize",),
        metrics={
            "binarize": (
                *("binarization.kept", "binarization.bits_per_weight"),
                *("binarization.mask_bits_per_weight", "binarization.sign_bits_per_weight"),
                *("binarization.second_sign_bits_per_weight", "binarization.scale_bits_per_weight"),
                "binarization.index_bits_per_weight",
            )
        },
        planned=("binarize",),
        remedies={
            "binarize": 'Write true for the defaults, false, or an object such as {{"kept": 4.4}}.'
        },
        only_with={"binarize": {"method": {MethodName.none}}},
        place=Place.formats,
        result=ResultPart(
            "binarization",
            "Binarised weights",
            {
                "Kept of eight": "{kept:figure}",
                "Bits per weight": "{bits_per_weight:figure}",
                "Of these, the mask": "{mask_bits_per_weight:figure}",
                "Signs": "{sign_bits_per_weight:figure}",
                "Second signs": "{second_sign_bits_per_weight:figure}",
                "Values": "{scale_bits_per_weight:figure}",
                "All weight files": "{/weights_bytes:bytes}",
            },
            note="The bits are those of a format that would store only these parts. The files have "
            "ordinary weights, so they are as large as the dense ones, and the model is not "
            "faster.",
        ),
        labels={
            "binarize": "Binarise",
            "binarize.kept": "Kept of eight",
            "binarize.low": "Fewest kept of eight",
            "binarize.high": "Most kept of eight",
            "binarize.group_size": "Weights per value",
            "binarize.salient": "Columns that are binarised twice",
        },
        docs={"binarize": "[Binarised weights](#binarised-weights)."},
    )

    binarize: Binarize = Field(
        default=None,
        description="Keeps some of each eight neighbouring weights, as two values for each group "
        "of a row: `true`, or an object that sets more. It replaces `method` and `sparsity`.",
        examples=[{"kept": 4.4}],
    )
