"""Binarised weights, whose zeros and values are all chosen together."""

from db.core.errors import SpecRefusedError
from db.spec.combinations.unfit import UNFIT, check_unused
from db.spec.prune_spec import PruneSpec
from db.spec.pruning.methods import MethodName

_CHOOSES = "binarize chooses the zeros and the values of the kept weights itself"
_OF_WEIGHTS = (
    *("sparsity", "ratio", "pattern", "solver", "variant", "correction", "damping", "allocation"),
    *("scope", "refine", "recover", "quantize"),
)
"""Fields that decide which weights become zero, or that change the others."""


def check_binarize(spec: PruneSpec) -> None:
    """Check that nothing else decides the weights of a binarised model, and its numbers.

    Raises:
        SpecRefusedError: another option chooses or changes weights, or the mean number of kept
            weights is outside its limits.
    """
    if spec.binarize is None:
        return
    if spec.method is not MethodName.none:
        remedy = "Leave method and preset out, or leave binarize out."
        raise SpecRefusedError("method", spec.method.value, UNFIT, _CHOOSES, remedy)
    check_unused(spec, _OF_WEIGHTS, _CHOOSES)
    low, high = spec.binarize.limits
    if not low <= spec.binarize.kept <= high:
        raise SpecRefusedError(
            "binarize",
            spec.binarize.model_dump(mode="json"),
            UNFIT,
            f"kept is {spec.binarize.kept:g}, and blocks keep from {low} to {high}",
            "Set low and high so that kept is between them, or leave them out.",
        )
