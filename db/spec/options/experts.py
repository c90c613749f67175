"""The field ``experts`` of a specification: how many experts of each layer of a mixture stay."""

from typing import ClassVar

from pydantic import Field, StrictInt

from db.spec.descriptions.basics import Basics
from db.spec.descriptions.option import Option, check_fits, check_unused
from db.spec.descriptions.result_part import ResultPart
from db.spec.options.benchmark import BenchmarkFields
from db.spec.options.masks import MaskFields
from db.spec.options.recover import RecoverFields
from db.spec.options.refine import RefineFields
from db.spec.options.removal import RemovalFields
from db.spec.options.target import TargetFields
from db.spec.pruning.methods import MethodName

_CUT = "method experts writes the model without some experts in one pass, as the only change"
_NEVER = ("quantize", "rotate", "steps", "vocabulary")
"""Fields that change the weights of the whole model, or divide what is done at once."""


_METRICS = (
    *("experts.experts", "experts.kept", "experts.layers", "experts.gate_removed"),
    *("experts.gate_removed_max", "experts.unrouted", "experts.unused"),
)


def copies_weights(spec: Basics) -> bool:
    """Whether a job writes only bytes of its model's weights, which may then be 8-bit floats."""
    trains = RefineFields.of(spec).refine is not None or RecoverFields.of(spec).recover is not None
    return (
        spec.method is MethodName.experts and not trains and not BenchmarkFields.of(spec).benchmark
    )


def _check(spec: "ExpertFields") -> None:
    """Check that a job of the method says once how many experts stay, and changes no weight."""
    given, ratio = spec.experts, RemovalFields.of(spec).ratio
    target = TargetFields.of(spec).target
    is_method = spec.method is MethodName.experts
    check_fits(
        "experts",
        given,
        (
            given is not None and not is_method,
            f"method {spec.method} removes no experts",
            "Leave experts out, or set method to experts.",
        ),
        (
            given is not None and ratio is not None,
            f"ratio {ratio} says how many experts go, too",
            "Leave experts or ratio out.",
        ),
        (
            given is not None and target is not None,
            "target says how many experts stay, too",
            "Leave experts or target out.",
        ),
        (
            is_method and given is None and ratio is None and target is None,
            "method experts needs the number of experts to keep, or the share to remove",
            "Set experts, for example to 96, or ratio, for example to 0.25, or target.",
        ),
    )
    if is_method:
        check_unused(MaskFields.of(spec), _NEVER, _CUT)


class ExpertFields(Basics):
    OPTION: ClassVar = Option(
        check=_check,
        amounts=("experts",),
        metrics_of_values=dict.fromkeys(_METRICS, ("method", MethodName.experts.value)),
        planned=("experts",),  # only the opened model shows how many experts it has
        result=ResultPart(
            "experts",
            "Experts",
            {
                "Experts": "{kept:count} of {experts:count} in each of {layers:count} layers",
                "Gate weight removed": "{gate_removed:percent}, at most {gate_removed_max:percent} "
                "in a layer",
                "Tokens without any of their experts": "{unrouted:percent}",
            },
            note="Each token still runs through as many experts as before, so the model is smaller "
            "and not faster.",
        ),
        first={"experts": 5},
        only_with={"experts": {"method": {MethodName.experts}}},
        labels={"experts": "Experts that stay"},
        docs={"experts": "[Fewer experts](methods/experts.md)."},
    )

    experts: StrictInt | None = Field(
        default=None,
        ge=1,
        description="With method `experts`, how many experts stay in each layer; by default the "
        "number that `ratio` leaves, as a multiple of 8 where that is possible.",
        examples=[96],
    )
