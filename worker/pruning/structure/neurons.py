"""The removal of MLP channels, the same number from every block."""

from collections.abc import Collection
from dataclasses import dataclass

from torch import nn
from transformers import PretrainedConfig

from worker.pruning.base.increments import AT_ONCE, Increment
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.structure.channel_places import check_places
from worker.pruning.structure.counts import UnitCounts
from worker.pruning.structure.measures import LastTokens
from worker.pruning.structure.mlp_channels import channels_of, mlp_channels
from worker.pruning.structure.reduction import Reduction, once_per_model
from worker.pruning.structure.smaller_config import Fields, check_describes
from worker.pruning.structure.units import Units
from worker.pruning.structure.width_fields import width_fields


@dataclass(frozen=True)
class Neurons:
    """The removal of the MLP channels that contribute least.

    Attributes:
        ratio: the share of the blocks' parameters that is removed after the last increment.
        repairs: whether the layers that read the channels are repaired.
        increment: the increment that is made.
        spared_windows: how many of the calibration windows, the last ones, are of a second text;
            channels that contribute to the outputs on either text stay.
        last_tokens: how channels are chosen by the last tokens of windows; None to choose those
            that contribute least to the outputs.
    """

    ratio: float
    repairs: bool = True
    increment: Increment = AT_ONCE
    spared_windows: int = 0
    last_tokens: LastTokens | None = None

    def units(self, block: nn.Module, config: PretrainedConfig) -> list[Units]:
        """Return the units of a block, some of which are removed."""
        return mlp_channels(block, config)

    @once_per_model
    def reduction(self, meta_model: MetaModel) -> Reduction:
        """Return how much smaller the model will be.

        Raises:
            UnsupportedModelError: the model has no MLP channels, or no config describes the smaller
                model; or last tokens do not reach all channels.
            RatioError: no number of channels is near the ratio.
            IncrementsError: there are fewer channels to remove than increments.
        """
        channels = channels_of(meta_model)
        if self.last_tokens is not None:
            check_places(channels)
        widths = width_fields(meta_model, channels)
        counts = UnitCounts(meta_model, channels, widths)
        removed = counts.removed(self.ratio, self.increment)
        fields = {
            field.name: field.value - removed[field.name] for field in widths if removed[field.name]
        }
        check_describes(meta_model, fields, counts.smaller_blocks(removed))
        return Reduction(fields, counts.kept(removed), counts.parameters(removed))

    def fields(self, meta_model: MetaModel, removed: Collection[int]) -> Fields:
        """Return the fields of the config that change; no whole blocks are removed."""
        return self.reduction(meta_model).fields
