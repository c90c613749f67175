"""The removal of attention heads, the same number from every block."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn
from transformers import PretrainedConfig

from worker.pruning.base.errors import UnsupportedModelError
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.structure.attention_heads import HEADS, KEY_HEADS, attention_heads, head_width
from worker.pruning.structure.counts import UnitCounts
from worker.pruning.structure.reduction import Reduction, once_per_model
from worker.pruning.structure.removal import Removal
from worker.pruning.structure.smaller_config import (
    Fields,
    cannot_describe,
    check_describes,
    smaller_config,
)
from worker.pruning.structure.units import Units
from worker.pruning.structure.width_fields import WidthField


@dataclass(frozen=True)
class Heads(Removal):
    """The removal of the attention heads that contribute least, with the queries that share them.

    Attributes:
        repairs: whether the projections of the outputs are repaired.
    """

    repairs: bool = True

    def units(self, block: nn.Module, config: PretrainedConfig) -> list[Units]:
        """Return all units of a block; `reduction` says how many of them are removed."""
        return attention_heads(block, config)

    def ratios(self, meta_model: MetaModel) -> Sequence[float]:
        """Return the ratios that are met exactly, ascending.

        Raises:
            UnsupportedModelError: as `reduction`.
        """
        return self._counts(meta_model).ratios()

    @once_per_model
    def reduction(self, meta_model: MetaModel) -> Reduction:
        """Return how much smaller the model will be.

        Raises:
            UnsupportedModelError: the model has no heads of the usual kind, or no config describes
                the smaller model, as where the width of a head follows from their number.
            RatioError: no number of heads is near the ratio.
            IncrementsError: there are fewer heads to remove than increments.
        """
        counts = self._counts(meta_model)
        removed = counts.removed(self.ratio, self.increment, is_exact=self.is_exact)
        fields = fewer_heads(meta_model.config, removed[KEY_HEADS])
        check_describes(meta_model, fields, counts.smaller_blocks(removed))
        return Reduction(fields, counts.kept(removed), counts.parameters(removed))

    def _counts(self, meta_model: MetaModel) -> UnitCounts:
        config = meta_model.config
        heads = [attention_heads(block, config) for block in meta_model.blocks]
        if not any(heads) or getattr(config, KEY_HEADS) == 1:
            raise UnsupportedModelError(
                f"a model of type {config.model_type!r} has no attention heads that could be "
                "removed",
                "set method to neurons or depth, or to one that zeroes weights, such as wanda",
            )
        return UnitCounts(meta_model, heads, [head_field(meta_model, heads)])


def head_field(meta_model: MetaModel, found: Sequence[Sequence[Units]]) -> WidthField:
    """Return the field of the config that decides how many heads the blocks have.

    In some families the size of the hidden state has to be a multiple of the number of heads, so
    that heads can be removed in twos or fours only, or not at all.

    Raises:
        UnsupportedModelError: transformers reads no config with fewer heads.
    """
    units = {(index, group.name): 1 for index, block in enumerate(found) for group in block}
    heads = getattr(meta_model.config, KEY_HEADS)
    for step in range(1, heads):
        removed = range(step, heads, step)
        if heads % step == 0 and all(_is_readable(meta_model, number) for number in removed):
            return WidthField(KEY_HEADS, heads, units, step)
    fields = fewer_heads(meta_model.config, 1)
    raise cannot_describe(meta_model, fields, "transformers accepts no smaller number of heads")


def _is_readable(meta_model: MetaModel, removed: int) -> bool:
    """Return whether transformers accepts the config with ``removed`` heads of keys fewer."""
    try:
        smaller_config(meta_model.model.config, fewer_heads(meta_model.config, removed))
    except Exception:  # a family's code may raise anything
        return False
    return True


def fewer_heads(config: PretrainedConfig, removed: int) -> Fields:
    """Return the fields of the config that change if so many heads of keys are removed."""
    groups: int = getattr(config, KEY_HEADS)
    queries: int = getattr(config, HEADS) // groups
    left = groups - removed
    return {HEADS: left * queries, KEY_HEADS: left, "head_dim": head_width(config)}
