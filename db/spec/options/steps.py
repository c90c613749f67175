"""Pruning in several steps."""

from typing import ClassVar

from pydantic import Field, StrictInt

from db.spec.descriptions.basics import Basics
from db.spec.descriptions.option import Option, check_fits
from db.spec.options.masks import MaskFields
from db.spec.options.quantize import QuantizeFields
from db.spec.options.recover import RecoverFields
from db.spec.options.removal import RemovalFields
from db.spec.options.target import TargetFields
from db.spec.pruning.methods import PRUNING, REMOVING, MethodName

MAX_STEPS = 50
"""The limit exists because each step takes the time of a job."""


def _check(spec: "StepsFields") -> None:
    """Check that what a job does can be divided into its steps."""
    if spec.steps is None or spec.steps == 1:
        return
    recover, pattern = RecoverFields.of(spec).recover, MaskFields.of(spec).pattern
    start, target = RemovalFields.of(spec).search_start, TargetFields.of(spec).target
    reason = f"with steps {spec.steps}, the search starts anew in each step"
    remedy = "Leave search_start or steps out."
    check_fits("search_start", start, (start is not None, reason, remedy))
    check_fits(
        "steps",
        spec.steps,
        (
            spec.method is MethodName.none,
            "method none prunes nothing that could be divided",
            "Leave steps out, or name a method that prunes, such as wanda.",
        ),
        (
            not (spec.sparsity > 0 or spec.method in REMOVING),
            "no weight would be pruned",
            "Set sparsity above 0, or leave steps out.",
        ),
        (
            pattern is not None,
            f"pattern {pattern} has one sparsity, and no smaller one to begin with",
            "Leave steps or pattern out.",
        ),
        (
            QuantizeFields.of(spec).quantize is not None,
            "a step continues weights that are not rounded, and the gate may end the job after any",
            "Leave quantize out, and quantise the result by a job with method none.",
        ),
        (
            target is not None and target.candidates is not None,
            "the candidates of target are compared by the results of whole prunings",
            "Leave steps out, or candidates in target.",
        ),
        (
            recover is not None and recover.kind == "ast",
            "the recovery ast changes the zeros, which every step holds",
            "Set the kind of recover to masked, mask_lora or spp.",
        ),
    )


class StepsFields(Basics):
    OPTION: ClassVar = Option(
        check=_check,
        order=1,
        amounts=("steps",),
        metrics={"steps": ("kept_step", "stopped_at_step")},
        neutral=1,
        planned=("steps",),
        only_with={"steps": {"method": PRUNING - {MethodName.experts}}},
        docs={"steps": "At most 50: [Pruning in steps](#pruning-in-steps)."},
    )

    steps: StrictInt | None = Field(
        default=None,
        ge=1,
        le=MAX_STEPS,
        description="Prune in this many steps, each of which continues the one before; the steps "
        "of `refine` and the tokens of `recover` are divided among them. One by default.",
        examples=[10],
    )
