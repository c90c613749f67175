"""The removal of MLP channels, the same number from every block."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import gcd

import torch
from torch import nn
from transformers import PretrainedConfig

from worker.pruning.base.errors import RatioError, UnsupportedModelError
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.structure.mlp_channels import mlp_channels
from worker.pruning.structure.reduction import Reduction
from worker.pruning.structure.smaller_config import check_describes
from worker.pruning.structure.units import Units, cut_block
from worker.pruning.structure.width_fields import WidthField, width_fields

_MULTIPLE = 8
"""Widths stay multiples of this if they are; kernels for matrix products are slow on others."""


@dataclass(frozen=True)
class Neurons:
    """The removal of the MLP channels that contribute least.

    Attributes:
        ratio: the share of the blocks' parameters that is removed.
        repairs: whether the layers that read the channels are repaired.
    """

    ratio: float
    repairs: bool = True

    def units(self, block: nn.Module, config: PretrainedConfig) -> list[Units]:
        """Return the units of a block, some of which are removed."""
        return mlp_channels(block, config)

    def reduction(self, meta_model: MetaModel) -> Reduction:
        """Return how much smaller the model will be.

        Raises:
            UnsupportedModelError: the model has no MLP channels, or no config describes the smaller
                model.
            RatioError: no number of channels is near the ratio.
        """
        config = meta_model.config
        found = [mlp_channels(block, config) for block in meta_model.blocks]
        if not any(found):
            raise UnsupportedModelError(
                f"a model of type {config.model_type!r} has no MLP whose channels could be removed;"
                " set method to depth, or to one that zeroes weights, such as wanda"
            )
        widths = _Widths(meta_model, found)
        removed = widths.removed(self.ratio)
        kept = widths.kept(removed)
        fields = {
            field.name: field.value - removed[field.name]
            for field in widths.fields
            if removed[field.name]
        }
        smaller = [
            _cut(block, one, kept[i])
            for i, (block, one) in enumerate(zip(meta_model.blocks, found, strict=True))
        ]
        check_describes(meta_model, fields, smaller)
        return Reduction(fields, kept, widths.parameters(removed))


class _Widths:
    """The widths of a model's MLPs, and what lowering them removes."""

    def __init__(self, meta_model: MetaModel, found: Sequence[Sequence[Units]]) -> None:
        parameters = [dict(block.named_parameters()) for block in meta_model.blocks]
        self._total = sum(value.numel() for block in parameters for value in block.values())
        keyed = {(i, one.name): one for i, units in enumerate(found) for one in units}
        self._widths = {key: units.count for key, units in keyed.items()}
        self._entries = {key: one.entries(parameters[key[0]]) for key, one in keyed.items()}
        self._blocks = len(parameters)
        self.fields = width_fields(meta_model, self._widths)

    def removed(self, ratio: float) -> dict[str, int]:
        """Return by how much to lower each field, to remove this share of the blocks' parameters.

        Raises:
            RatioError: no field would be lowered, or an MLP would lose all channels.
        """
        whole = sum(self._cost(field) * field.value for field in self.fields) / self._total
        share = ratio / whole
        removed = {
            one.name: _step(one) * round(share * one.value / _step(one)) for one in self.fields
        }
        if any(removed[one.name] >= one.value for one in self.fields):
            most = min(1 - _step(one) / one.value for one in self.fields) * whole
            raise _unreachable(ratio, f"leaves an MLP no channel: {most:.4g} is the most", most)
        if not any(removed.values()):
            least = min(_step(one) / one.value for one in self.fields) * whole
            raise _unreachable(ratio, f"removes no channel: {least:.4g} is the least", least)
        return removed

    def kept(self, removed: Mapping[str, int]) -> tuple[dict[str, int], ...]:
        """Return for each block how many units stay, by their name."""
        kept: tuple[dict[str, int], ...] = tuple({} for _ in range(self._blocks))
        for (index, name), width in self._widths.items():
            fewer = sum(
                one.channels.get((index, name), 0) * removed[one.name] for one in self.fields
            )
            kept[index][name] = width - fewer
        return kept

    def parameters(self, removed: Mapping[str, int]) -> int:
        """Return how many parameters are removed if each field is lowered by this much."""
        return sum(self._cost(field) * removed[field.name] for field in self.fields)

    def _cost(self, field: WidthField) -> int:
        """Return how many parameters are removed if a field is lowered by 1."""
        return sum(count * self._entries[key] for key, count in field.channels.items())


def _step(field: WidthField) -> int:
    return gcd(field.value, _MULTIPLE)


def _cut(
    block: nn.Module, units: Sequence[Units], kept: Mapping[str, int]
) -> dict[str, torch.Tensor]:
    parameters = dict(block.named_parameters())
    return cut_block(parameters, [(one, torch.arange(kept[one.name])) for one in units])


def _unreachable(ratio: float, reason: str, nearest: float) -> RatioError:
    return RatioError(f"a ratio of {ratio:g} {reason}; set ratio to {nearest:.4g}")
