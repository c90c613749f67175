"""The check that the options of a specification can be combined."""

from db.spec.descriptions.option import check_fits
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
