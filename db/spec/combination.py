"""The check that the options of a specification can be combined."""

from db.core.errors import SpecRefusedError
from db.spec.descriptions.option import UNFIT, check_fits
from db.spec.options.target import candidates_of
from db.spec.prune_spec import OPTIONS, PruneSpec
from db.spec.pruning.methods import REMOVING, MethodName


def check_combination(spec: PruneSpec) -> None:
    """Check that the options can be combined, and that there is something to do.

    Raises:
        SpecRefusedError: the options cannot be combined, or there is nothing to do.
    """
    for option in sorted(OPTIONS, key=lambda option: option.order):
        option.check(spec)
    prunes = spec.sparsity > 0 or spec.method in {MethodName.none, *REMOVING}
    remedy = "Set it above 0, or name an eval_dataset to evaluate the model without pruning."
    nothing = (not prunes and spec.eval_dataset is None, "no weight would be pruned", remedy)
    check_fits("sparsity", spec.sparsity, nothing)
    _, *others = candidates_of(spec)
    for other in others:
        try:
            check_combination(other)
        except SpecRefusedError as error:
            raise refused_candidate(other.method, f"{error.field}: {error.reason}") from error


def refused_candidate(method: MethodName, cause: str) -> SpecRefusedError:
    """Return the refusal of one of the methods that a job compares."""
    reason, remedy = f"with method {method}, {cause}", f"Leave {method} out of candidates."
    return SpecRefusedError("target.candidates", method.value, UNFIT, reason, remedy)
