"""The fields of a config that decide how wide the MLPs of a model are."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from torch import nn
from transformers import PretrainedConfig

from worker.pruning.base.errors import UnsupportedModelError
from worker.pruning.model.blocks import find_blocks
from worker.pruning.model.meta_model import MetaModel, build_model
from worker.pruning.structure.mlp_channels import mlp_channels
from worker.pruning.structure.smaller_config import smaller_config

_NAMES = re.compile(r"intermediate|ffn|inner")
Widths = Mapping[tuple[int, str], int]
"""The number of channels of each MLP, by the index of its block and the name of its units."""


@dataclass(frozen=True)
class WidthField:
    """A field of a config that decides the width of some MLPs.

    Attributes:
        name: the name of the field.
        value: its value; for a field that is not set, the width that follows.
        channels: how many channels each of these MLPs has more if the value is larger by 1.
    """

    name: str
    value: int
    channels: Widths


def width_fields(meta_model: MetaModel, widths: Widths) -> list[WidthField]:
    """Return the fields that decide the given widths.

    The fields are found by trying: one after another is lowered by 1, and the model is built again,
    without weights. So no family's config has to be known.

    Raises:
        UnsupportedModelError: no field decides the width of one of the MLPs, as in families whose
            width is four times the hidden size by definition.
    """
    fields: list[WidthField] = []
    for name, value in _candidates(meta_model.config):
        known = {key for field in fields for key in field.channels}
        left = [width for key, width in widths.items() if key not in known]
        if left and (lowered := _lowered(meta_model, name, value or left[0])) is not None:
            changes = {key: width - lowered.get(key, width) for key, width in widths.items()}
            channels = {key: change for key, change in changes.items() if change > 0}
            if channels:
                fields.append(WidthField(name, value or left[0], channels))
    known = {key for field in fields for key in field.channels}
    if missing := next((key for key in widths if key not in known), None):
        index, name = missing
        raise UnsupportedModelError(
            f"the config of a model of type {meta_model.config.model_type!r} has no field for the "
            f"width of {meta_model.block_name(index)}.{name}; set method to depth, or to one that "
            "zeroes weights, such as wanda"
        )
    return fields


def _candidates(config: PretrainedConfig) -> Iterator[tuple[str, int | None]]:
    """Yield the fields whose names can mean a width, with their values; None if one is not set."""
    for name, value in config.to_dict().items():
        if _NAMES.search(name) and (value is None or (type(value) is int and value > 1)):
            yield name, value


def _lowered(meta_model: MetaModel, name: str, value: int) -> Widths | None:
    """Return the widths with a field lowered by 1; None if no model can be built like this."""
    config = smaller_config(meta_model.model.config, {name: value - 1})
    try:
        _, blocks = find_blocks(build_model(config, meta_model.dtype))
    except Exception:  # a family's code may raise anything; the field is not used then
        return None
    return widths_of(blocks, config.get_text_config())


def widths_of(blocks: nn.ModuleList, config: PretrainedConfig) -> Widths:
    """Return the widths of the MLPs of a model's blocks."""
    return {
        (index, units.name): units.count
        for index, block in enumerate(blocks)
        for units in mlp_channels(block, config)
    }
