"""The dense model and the pruned one of a recovery."""

import torch

from worker.pruning.base.errors import RecoveryError
from worker.pruning.methods.patterns import Pattern
from worker.pruning.model.meta_model import MetaModel
from worker.recovery.kinds.registry import check_pattern
from worker.recovery.kinds.router import check_routers
from worker.recovery.settings import Recovery


def check_pair(
    dense: MetaModel, pruned: MetaModel, recovery: Recovery, pattern: Pattern | None
) -> None:
    """Check the models and the kind before any work that takes time.

    Raises:
        RecoveryError: the pruned model has a parameter that the dense one has not, or other
            embeddings or another head; or the kind needs a pattern and none is known; or it starts
            from the dense model's weights, and the pruned model is smaller; or it trains routers,
            and the model has none.
    """
    inside, outside = _parameters(pruned)
    dense_inside, dense_outside = _parameters(dense)
    if not inside <= dense_inside or outside != dense_outside:
        raise RecoveryError(
            "the dense model and the pruned model have different parameters",
            "give the model that was pruned",
        )
    check_pattern(recovery.kind, pattern)
    if recovery.only_routers:
        check_routers(pruned.blocks, pruned.config.model_type)
    shapes = (
        [parameter.shape for parameter in model.model.parameters()] for model in (dense, pruned)
    )
    if recovery.changes_mask and next(shapes) != next(shapes):
        raise RecoveryError(
            f"recover {recovery.kind} starts from the dense model's weights, and the pruned model "
            "has fewer units or blocks",
            "set recover to masked",
        )


def _parameters(model: MetaModel) -> tuple[set[str], dict[str, torch.Size]]:
    """Return the names of parameters in the blocks, and the shapes of those outside, by name."""
    inside = {name for block in model.blocks for name in block.state_dict()}
    prefix, parameters = f"{model.prefix}.", model.model.state_dict().items()
    return inside, {
        name: parameter.shape for name, parameter in parameters if not name.startswith(prefix)
    }
