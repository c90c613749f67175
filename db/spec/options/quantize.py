"""The field ``quantize`` of a specification: how the kept weights are rounded."""

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictInt

from db.spec.descriptions.basics import Basics
from db.spec.descriptions.option import Option, Place, check_fits, name_or_object
from db.spec.descriptions.result_part import ResultPart
from db.spec.options.recover import RecoverFields
from db.spec.options.removal import RemovalFields
from db.spec.pruning.globs import Glob
from db.spec.pruning.methods import REMOVING, ZEROING, MethodName

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


Quantize = Annotated[
    QuantizeSpec | None,
    name_or_object("quantize", QuantizeSpec),
]


def _check(spec: "QuantizeFields") -> None:
    """Check that nothing changes the weights of a quantised model later."""
    if (quantize := spec.quantize) is None:
        return
    recover = RecoverFields.of(spec).recover
    check_fits(
        "quantize",
        quantize.scheme,
        (
            recover is not None and recover.kind != "masked",
            "only a recovery of the kind masked trains weights that are rounded",
            "Set the kind of recover to masked, or leave quantize out and quantise the recovered "
            "model by a job with method none.",
        ),
        (
            spec.method in REMOVING,
            f"what method {spec.method} removes is cut out after the sweep, which rounds the "
            "weights"
            if RemovalFields.of(spec).uniform
            else "units that are removed in place are not quantised with the others",
            "Leave quantize out, and quantise the result by a job with method none.",
        ),
    )


class QuantizeFields(Basics):
    OPTION: ClassVar = Option(
        check=_check,
        varied=("quantize",),
        metrics={
            "quantize": (
                *("quantization.bits", "quantization.group_size", "quantization.bytes"),
                *("quantization.bits_per_weight", "quantization.error", "quantization.fallbacks"),
            )
        },
        planned=("quantize",),  # only the opened model shows all layers and their widths
        remedies={
            "quantize": "Write a scheme such as w4a16, or an object such as "
            '{{"scheme": "w4a16", "group_size": 128}}.'
        },
        only_with={"quantize": {"method": {MethodName.none, *ZEROING}}},
        usual=("quantize",),
        place=Place.formats,
        result=ResultPart(
            "quantization",
            "Quantised weights",
            {
                "Bits": "{bits:count}",
                "Bits per weight": "{bits_per_weight:figure}, scales included",
                "Weights per scale": "{group_size:count}",
                "Quantised matrices": "{bytes:bytes}",
                "All weight files": "{/weights_bytes:bytes}",
                "Error of outputs": "{error:percent}",
                "Fallbacks": "{fallbacks:count} matrices",
            },
            note="The files are smaller. The model is faster only in an engine with kernels for "
            "this format.",
        ),
        labels={
            "quantize": "Quantise",
            "quantize.group_size": "Weights per scale",
            "quantize.scales": "Choice of scales",
        },
        docs={"quantize": "[Quantised weights](#quantised-weights)."},
    )

    quantize: Quantize = Field(
        default=None,
        description="Rounds the kept weights to 4 or 8 bits once a block is pruned: `w4a16` or "
        "`w8a16`, or an object that sets more than the scheme.",
    )
