"""The check that the options of a specification can be combined."""

from db.core.errors import SpecRefusedError
from db.spec.combinations.binarization import check_binarize
from db.spec.combinations.gradual import check_steps
from db.spec.combinations.inputs import check_inputs
from db.spec.combinations.masks import check_masks
from db.spec.combinations.removal import check_removal
from db.spec.combinations.training import check_training
from db.spec.combinations.unfit import UNFIT
from db.spec.prune_spec import PruneSpec
from db.spec.pruning.methods import REMOVING, MethodName


def check_combination(spec: PruneSpec) -> None:
    """Check that the options can be combined, and that there is something to do.

    Raises:
        SpecRefusedError: the options cannot be combined, or there is nothing to do.
    """
    check_binarize(spec)
    check_removal(spec)
    check_masks(spec)
    check_training(spec)
    check_steps(spec)
    check_inputs(spec)
    unmasked = spec.method is MethodName.none or spec.method in REMOVING
    if not (spec.sparsity > 0 or unmasked or spec.eval_dataset is not None):
        raise SpecRefusedError(
            "sparsity",
            spec.sparsity,
            UNFIT,
            "no weight would be pruned",
            "Set it above 0, or name an eval_dataset to evaluate the model without pruning.",
        )
