"""The removal of MLP channels, the same number from every block."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

from torch import Tensor, nn
from transformers import PretrainedConfig

from worker.pruning.model.meta_model import MetaModel
from worker.pruning.structure.channel_places import check_places
from worker.pruning.structure.counts import UnitCounts
from worker.pruning.structure.measures import LastTokens, UnitMeasuring
from worker.pruning.structure.mlp_channels import channels_of, mlp_channels
from worker.pruning.structure.reduction import Reduction, once_per_model
from worker.pruning.structure.removal import Removal
from worker.pruning.structure.smaller_config import check_describes
from worker.pruning.structure.units import Units
from worker.pruning.structure.width_fields import width_fields


@dataclass(frozen=True)
class Neurons(Removal):
    """The removal of the MLP channels that contribute least.

    Attributes:
        repairs: whether the layers that read the channels are repaired.
        spared_windows: how many of the calibration windows, the last ones, are of a second text;
            channels that contribute to the outputs on either text stay.
        last_tokens: how channels are chosen by the last tokens of windows; None to choose those
            that contribute least to the outputs.
    """

    repairs: bool = True
    spared_windows: int = 0
    last_tokens: LastTokens | None = None

    def sparing(self, windows: int) -> Self:
        """Return the removal if the last ``windows`` calibration windows are of a second text."""
        return replace(self, spared_windows=windows)

    def units(self, block: nn.Module, config: PretrainedConfig) -> list[Units]:
        """Return all units of a block; `reduction` says how many of them are removed."""
        return mlp_channels(block, config)

    def ratios(self, meta_model: MetaModel) -> Sequence[float]:
        """Return the ratios that are met exactly, ascending.

        Raises:
            UnsupportedModelError: the model has no MLP channels, or no config describes the smaller
                model.
        """
        channels = channels_of(meta_model)
        return UnitCounts(meta_model, channels, width_fields(meta_model, channels)).ratios()

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
        removed = counts.removed(self.ratio, self.increment, is_exact=self.is_exact)
        fields = {
            field.name: field.value - removed[field.name] for field in widths if removed[field.name]
        }
        check_describes(meta_model, fields, counts.smaller_blocks(removed))
        return Reduction(fields, counts.kept(removed), counts.parameters(removed))

    def measuring(self, meta_model: MetaModel, windows: Tensor) -> UnitMeasuring | None:
        """Return the work of counting by last tokens; None if channels are not chosen by them."""
        if self.last_tokens is None:
            return None
        prompts = min(self.last_tokens.prompts, len(windows) - self.spared_windows)
        return UnitMeasuring(False, 1, 1, prompts + self.spared_windows, windows.shape[1])
