"""The choice of what prunes the layers of a block, such as weights by score, or whole units."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from worker.pruning.methods.patterns import BlockPattern
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.stats.gradient_norms import NO_GRADIENTS, GradientNorms
from worker.pruning.structure.reduction import Reduction
from worker.pruning.sweep.block_pruner import BlockPruner
from worker.pruning.sweep.layer_pruner import LayerPruner
from worker.pruning.sweep.recipe.recipe import Recipe
from worker.pruning.sweep.removal.model_units import Removed
from worker.pruning.sweep.removal.unit_pruner import UnitPruner


@dataclass(frozen=True)
class BlockPruners:
    """Makes the pruner of each block.

    Attributes:
        recipe: how the model is pruned.
        reduction: how much smaller the model will be; None if no units are removed.
        second_text: the indices of this rank's batches of a second text, as `UnitPruner` takes
            them.
        removed: the units that each block loses, if they are already chosen.
    """

    meta_model: MetaModel
    recipe: Recipe
    reduction: Reduction | None
    second_text: Collection[int] | None = None
    removed: Removed | None = None

    def pruner(
        self,
        index: int,
        pattern: BlockPattern | None,
        stored: dict[str, Tensor],
        gradients: GradientNorms | None,
        dense: Mapping[str, Tensor] | None = None,
    ) -> LayerPruner[Any] | None:
        """Return the pruner of one block, whose stored parameters it will change in place.

        Without a pattern the whole block is removed, and there is none.

        ``dense`` are the parameters of the dense block, if those in ``stored`` are of an earlier
        increment and a correction takes both.
        """
        if pattern is None:
            return None
        model, recipe = self.meta_model, self.recipe
        name, config = model.block_name(index), model.config
        if recipe.removal is not None and self.reduction is not None:
            units, kept = recipe.removal.units(model.blocks[index], config), self.reduction.kept
            return UnitPruner(
                name,
                stored,
                units,
                kept[index],
                recipe.repairing,
                dense,
                self.second_text,
                self.removed[index] if self.removed is not None else None,
                cuts=recipe.is_cut,
            )
        norms = gradients.read(index) if gradients else NO_GRADIENTS
        strategy, own = recipe.strategy(pattern.pattern), recipe.own_strategies(pattern)
        holds = recipe.increment.continues
        return BlockPruner(
            name, stored, strategy, config, norms, own, holds_zeros=holds, dense=dense
        )
