"""The removal of MLP channels and attention heads together, chosen before the sweep."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

from torch import Tensor, nn
from transformers import PretrainedConfig

from worker.pruning.base.errors import UnsupportedModelError
from worker.pruning.base.increments import Increment
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.structure.attention_heads import KEY_HEADS, attention_heads
from worker.pruning.structure.counts import UnitCounts, divided_ratio
from worker.pruning.structure.division import Kind
from worker.pruning.structure.heads import fewer_heads, head_field
from worker.pruning.structure.measures import Measure, Pgp, UnitMeasuring, short_windows
from worker.pruning.structure.mlp_channels import channels_of, mlp_channels
from worker.pruning.structure.reduction import Reduction, once_per_model
from worker.pruning.structure.removal import Removal
from worker.pruning.structure.smaller_config import check_describes
from worker.pruning.structure.units import Units
from worker.pruning.structure.width_fields import WidthField, width_fields


@dataclass(frozen=True)
class MeasuredUnits(Removal):
    """The removal of the MLP channels and attention heads that a measurement finds to matter least.

    Attributes:
        measure: how the units are measured.
        uniform: whether every block keeps the same number of them, so that the model gets smaller.
            If not, removed units stay in place as zeros.
        repairs: whether the layers that read the units are repaired.
    """

    measures_units = True
    measure: Measure
    uniform: bool = True
    repairs: bool = True

    @property
    def reached(self) -> float:
        """The share of the blocks' parameters that is removed after the increment."""
        return self.ratio * self.increment.share

    @property
    def is_in_place(self) -> bool:
        """Whether removed units stay in place as zeros, so that the model keeps its shapes."""
        return not self.uniform

    def at(self, increment: Increment) -> Self:
        """Return the part of one increment, which makes its share of the measurement, too."""
        return replace(self, increment=increment, measure=self.measure.at(increment))

    def starting(self, start: tuple[float, ...]) -> Self:
        """Return the removal if its search starts from the probabilities of an earlier one."""
        return replace(self, measure=self.measure.starting(start))

    def units(self, block: nn.Module, config: PretrainedConfig) -> list[Units]:
        """Return all units of a block, first heads, then channels; some of them are removed."""
        return [*attention_heads(block, config), *mlp_channels(block, config)]

    @once_per_model
    def reduction(self, meta_model: MetaModel) -> Reduction:
        """Return how much smaller the model will be.

        If the blocks need not be uniform, the model keeps its shapes.

        Raises:
            UnsupportedModelError: the model has no MLP channels, or no config describes the smaller
                model.
            RatioError: no number of units is near the ratio.
            IncrementsError: there are fewer units to remove than increments.
        """
        channels = channels_of(meta_model)
        of_block = [self.units(block, meta_model.config) for block in meta_model.blocks]
        if not self.uniform:
            kept = tuple({units.name: units.count for units in block} for block in of_block)
            self._check_in_place(meta_model, of_block)
            return Reduction({}, kept, 0)
        widths = width_fields(meta_model, channels)
        fields = [*_removable_heads(meta_model, of_block), *widths]
        counts = UnitCounts(meta_model, of_block, fields)
        removed = counts.removed(self.ratio, self.increment)
        changed = {
            field.name: field.value - removed[field.name] for field in widths if removed[field.name]
        }
        if removed.get(KEY_HEADS):
            changed |= fewer_heads(meta_model.config, removed[KEY_HEADS])
        check_describes(meta_model, changed, counts.smaller_blocks(removed))
        return Reduction(changed, counts.kept(removed), counts.parameters(removed))

    def measuring(self, meta_model: MetaModel, windows: Tensor) -> UnitMeasuring:
        """Return the work of the measurement."""
        measure = self.measure
        available, tokens = short_windows(windows, measure.tokens).shape
        count = min(measure.windows, available)
        if isinstance(measure, Pgp):
            scored = min(measure.scored, available)
            return UnitMeasuring(False, measure.steps, measure.masks, count, tokens, scored)
        if self.uniform:
            return UnitMeasuring(True)
        return UnitMeasuring(True, measure.steps_to(self._own_share(meta_model)), 1, count, tokens)

    def _own_share(self, meta_model: MetaModel) -> float:
        """Return the share of their units that the blocks lose in one increment, on average."""
        blocks = [dict(block.named_parameters()) for block in meta_model.blocks]
        units = sum(
            group.count * group.entries(parameters)
            for block, parameters in zip(meta_model.blocks, blocks, strict=True)
            for group in self.units(block, meta_model.config)
        )
        whole = sum(value.numel() for parameters in blocks for value in parameters.values())
        return self.ratio / self.increment.total * whole / units

    def _check_in_place(self, meta_model: MetaModel, of_block: Sequence[Sequence[Units]]) -> None:
        """Check that the ratio can be met if every module keeps a unit."""
        parameters = [dict(block.named_parameters()) for block in meta_model.blocks]
        total = sum(value.numel() for block in parameters for value in block.values())
        kinds = [
            Kind(units.count, units.entries(parameters[index]))
            for index, block in enumerate(of_block)
            for units in block
        ]
        self.increment.check_divides(sum(divided_ratio(self.ratio, total, kinds)), "units")


def _removable_heads(
    meta_model: MetaModel, of_block: Sequence[Sequence[Units]]
) -> list[WidthField]:
    """Return the field that decides how many heads there are; none if no head can be removed.

    ``of_block`` are the units of each block, with their heads.
    """
    config = meta_model.config
    heads = [attention_heads(block, config) for block in meta_model.blocks]
    if not any(heads) or getattr(config, KEY_HEADS) == 1:
        return []
    try:
        field = head_field(meta_model, heads)
        fewest = field.step_of(1)
        blocks = UnitCounts(meta_model, of_block, [field]).smaller_blocks({KEY_HEADS: fewest})
        check_describes(meta_model, fewer_heads(config, fewest), blocks)
    except UnsupportedModelError:
        return []
    return [field]
