"""Methods that zero no weights: those that remove units or blocks, and ``none``."""

from db.core.errors import SpecRefusedError
from db.spec.combinations.unfit import UNFIT, check_unused
from db.spec.expected_inputs import KEEP, SEARCH_START
from db.spec.prune_spec import PruneSpec
from db.spec.pruning.methods import MEASURED, REMOVING, MethodName

_OF_MASKS = ("pattern", "sparsity", "solver", "allocation", "scope")
"""Fields that decide which weights become zero, and how the others make up for them."""
_OF_CHANGES = ("correction", "damping", "refine")
"""Fields that decide how kept weights change."""


def check_removal(spec: PruneSpec) -> None:
    """Check that a job has a ratio if its method removes units, and no option for masks then.

    Raises:
        SpecRefusedError: an option does not suit the method.
    """
    _check_keep_dataset(spec)
    if spec.search_steps is not None and spec.method is not MethodName.pgp:
        reason = f"method {spec.method} makes no search for the units that it removes"
        remedy = "Leave search_steps out, or set method to pgp."
        raise SpecRefusedError("search_steps", spec.search_steps, UNFIT, reason, remedy)
    _check_search_start(spec)
    if spec.selection is not None and spec.method is not MethodName.neurons:
        reason = f"method {spec.method} selects no channels of MLPs in this way"
        remedy = "Leave selection out, or set method to neurons."
        raise SpecRefusedError("selection", spec.selection, UNFIT, reason, remedy)
    if spec.method is MethodName.none:
        reason = "method none keeps the zeros that the model has and prunes nothing"
        check_unused(spec, (*_OF_MASKS, *_OF_CHANGES), reason, "prunes")
    if not spec.uniform and spec.method not in MEASURED:
        reason = f"method {spec.method} does not choose how many units each block loses"
        if spec.method in REMOVING:
            reason = f"method {spec.method} always makes the model smaller"
        remedy = "Leave uniform out, or name adapt or pgp as the method."
        raise SpecRefusedError("uniform", False, UNFIT, reason, remedy)
    if spec.method in REMOVING:
        _check_needed_ratio(spec)
    elif spec.ratio is not None:
        reason = f"method {spec.method} removes no units or blocks; sparsity is its share of zeros"
        remedy = "Leave ratio out, or name a method that removes units, such as neurons."
        raise SpecRefusedError("ratio", spec.ratio, UNFIT, reason, remedy)


def _check_search_start(spec: PruneSpec) -> None:
    """Check that a job that names an earlier search makes one search of its own."""
    if spec.search_start is None:
        if SEARCH_START in (spec.expect or {}):
            reason, remedy = "the job starts from no search", f"Leave {SEARCH_START} out of expect."
            raise SpecRefusedError("expect", spec.expect, UNFIT, reason, remedy)
        return
    if spec.method is not MethodName.pgp:
        reason = f"method {spec.method} makes no search for the units that it removes"
        remedy = "Leave search_start out, or set method to pgp."
    elif (spec.steps or 1) > 1:
        reason = f"with steps {spec.steps}, the search starts anew in each step"
        remedy = "Leave search_start or steps out."
    else:
        return
    raise SpecRefusedError("search_start", spec.search_start, UNFIT, reason, remedy)


def _check_needed_ratio(spec: PruneSpec) -> None:
    if spec.ratio is None:
        reason = f"method {spec.method} needs the share of the blocks' parameters to remove"
        raise SpecRefusedError("ratio", None, UNFIT, reason, "Set ratio, for example to 0.25.")
    reason = f"method {spec.method} removes whole units or blocks, and ratio says how many"
    check_unused(spec, (*_OF_MASKS, "skip"), reason, "zeroes weights")


def _check_keep_dataset(spec: PruneSpec) -> None:
    """Check that a second text is another one, and that channels can stay for it."""
    if spec.keep_dataset is None:
        if KEEP in (spec.expect or {}):
            reason, remedy = f"the job has no {KEEP} text", f"Leave {KEEP} out of expect."
            raise SpecRefusedError("expect", spec.expect, UNFIT, reason, remedy)
        return
    refusals = (
        (
            spec.method is not MethodName.neurons,
            f"method {spec.method} removes no channels that could stay",
            "Leave keep_dataset out, or set method to neurons.",
        ),
        (
            spec.keep_dataset == spec.dataset,
            "it is the dataset that all channels are scored on",
            "Leave keep_dataset out, or name another text.",
        ),
    )
    for applies, reason, remedy in refusals:
        if applies:
            raise SpecRefusedError("keep_dataset", spec.keep_dataset, UNFIT, reason, remedy)
