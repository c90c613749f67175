"""The removal of attention heads, the same number from every block."""

from collections.abc import Collection
from dataclasses import dataclass

from torch import nn
from transformers import PretrainedConfig

from worker.pruning.base.errors import UnsupportedModelError
from worker.pruning.base.increments import AT_ONCE, Increment
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.structure.attention_heads import HEADS, KEY_HEADS, attention_heads, head_width
from worker.pruning.structure.counts import UnitCounts
from worker.pruning.structure.reduction import Reduction
from worker.pruning.structure.smaller_config import Fields, check_describes
from worker.pruning.structure.units import Units
from worker.pruning.structure.width_fields import WidthField


@dataclass(frozen=True)
class Heads:
    """The removal of the attention heads that contribute least, with the queries that share them.

    Attributes:
        ratio: the share of the blocks' parameters that is removed after the last increment.
        repairs: whether the projections of the outputs are repaired.
        increment: the increment that is made.
    """

    ratio: float
    repairs: bool = True
    increment: Increment = AT_ONCE

    def units(self, block: nn.Module, config: PretrainedConfig) -> list[Units]:
        """Return the units of a block, some of which are removed."""
        return attention_heads(block, config)

    def reduction(self, meta_model: MetaModel) -> Reduction:
        """Return how much smaller the model will be.

        Raises:
            UnsupportedModelError: the model has no heads of the usual kind, or no config describes
                the smaller model, as where the width of a head follows from their number.
            RatioError: no number of heads is near the ratio.
            IncrementsError: there are fewer heads to remove than increments.
        """
        config = meta_model.config
        found = [attention_heads(block, config) for block in meta_model.blocks]
        if not any(found):
            raise UnsupportedModelError(
                f"a model of type {config.model_type!r} has no attention heads that could be "
                "removed; set method to neurons or depth, or to one that zeroes weights, such as "
                "wanda"
            )
        groups: int = getattr(config, KEY_HEADS)
        units = {(index, one.name): 1 for index, block in enumerate(found) for one in block}
        field = WidthField(KEY_HEADS, groups, units)
        counts = UnitCounts(meta_model, found, [field], multiple=1)
        removed = counts.removed(self.ratio, self.increment)
        left = groups - removed[KEY_HEADS]
        queries: int = getattr(config, HEADS) // groups
        fields = {HEADS: left * queries, KEY_HEADS: left, "head_dim": head_width(config)}
        check_describes(meta_model, fields, counts.smaller_blocks(removed))
        return Reduction(fields, counts.kept(removed), counts.parameters(removed))

    def fields(self, meta_model: MetaModel, removed: Collection[int]) -> Fields:
        """Return the fields of the config that change; no whole blocks are removed."""
        return self.reduction(meta_model).fields
