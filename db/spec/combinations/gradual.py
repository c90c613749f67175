"""Pruning in several steps."""

from db.core.errors import SpecRefusedError
from db.spec.combinations.unfit import UNFIT
from db.spec.prune_spec import PruneSpec
from db.spec.pruning.methods import REMOVING, MethodName


def check_steps(spec: PruneSpec) -> None:
    """Check that what a job does can be divided into its steps.

    Raises:
        SpecRefusedError: an option contradicts several steps.
    """
    if spec.steps is None or spec.steps == 1:
        return
    prunes = spec.sparsity > 0 or spec.method in REMOVING
    refusals = (
        (
            spec.method is MethodName.none,
            "method none prunes nothing that could be divided",
            "Leave steps out, or name a method that prunes, such as wanda.",
        ),
        (
            not prunes,
            "no weight would be pruned",
            "Set sparsity above 0, or leave steps out.",
        ),
        (
            spec.pattern is not None,
            f"pattern {spec.pattern} has one sparsity, and no smaller one to begin with",
            "Leave steps or pattern out.",
        ),
        (
            spec.quantize is not None,
            "a step continues weights that are not rounded, and the gate may end the job after any",
            "Leave quantize out, and quantise the result by a job with method none.",
        ),
        (
            spec.recover is not None and spec.recover.kind == "ast",
            "the recovery ast changes the zeros, which every step holds",
            "Set the kind of recover to masked, mask_lora or spp.",
        ),
    )
    for applies, reason, remedy in refusals:
        if applies:
            raise SpecRefusedError("steps", spec.steps, UNFIT, reason, remedy)
