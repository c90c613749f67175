"""The field ``rotate`` of a specification: a rotation that makes the errors of rounding smaller."""

from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field

from db.spec.descriptions.basics import Basics
from db.spec.descriptions.option import Option, Place, check_fits
from db.spec.descriptions.result_part import ResultPart
from db.spec.options.quantize import QuantizeFields


def _not_rotated(value: object) -> object:
    return None if value == "none" else value


Rotate = Annotated[
    Literal["auto"] | None,
    BeforeValidator(_not_rotated, json_schema_input_type=Literal["auto", "none"] | None),
]


def _check(spec: "RotateFields") -> None:
    alone = spec.rotate is not None and QuantizeFields.of(spec).quantize is None
    reason = "rotations change how well weights can be rounded, and nothing is rounded"
    check_fits("rotate", spec.rotate, (alone, reason, "Set quantize, or leave rotate out."))


class RotateFields(Basics):
    OPTION: ClassVar = Option(
        check=_check,
        varied=("rotate",),
        metrics={"rotate": ("rotation.residual", "rotation.values", "rotation.blocks")},
        only_with={"rotate": {"quantize": ()}},
        place=Place.formats,
        result=ResultPart(
            "rotation",
            "Rotated before rounding",
            {
                "Residual stream": "{residual:yes}",
                "Rotated values": "{values:count} of {blocks:count} blocks",
            },
        ),
        labels={"rotate": "Rotate before rounding"},
        docs={"rotate": "[Rotated before rounding](#rotated-before-rounding)."},
    )

    rotate: Rotate = Field(
        default=None,
        description="`auto` rotates the model before `quantize` rounds it, where this makes the "
        "errors smaller. It changes none of the model's outputs.",
    )
