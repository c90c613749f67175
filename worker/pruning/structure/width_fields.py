"""The fields of a config that decide how wide the MLPs of a model are."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import gcd

from transformers import PretrainedConfig

from worker.pruning.base.errors import UnsupportedModelError
from worker.pruning.model.blocks import find_blocks
from worker.pruning.model.meta_model import MetaModel, build_model
from worker.pruning.structure.mlp_channels import mlp_channels
from worker.pruning.structure.smaller_config import smaller_config
from worker.pruning.structure.units import Units

_NAMES = re.compile(r"intermediate|ffn|inner")
Counts = Mapping[tuple[int, str], int]
"""Numbers of units, by the index of the block and the name of the units."""


@dataclass(frozen=True)
class WidthField:
    """A field of a config that decides how many units some modules have.

    Attributes:
        name: the name of the field.
        value: its value; for a field that is not set, the number of units that follows.
        units: how many units each of these modules has more if the value is larger by 1.
        step: by how much the value is lowered at once; None if it is a width, which may be lowered
            by 1 or stay a multiple of more.
    """

    name: str
    value: int
    units: Counts
    step: int | None = None

    def step_of(self, multiple: int) -> int:
        """Return by how much to lower the value at once, so that a width stays such a multiple.

        A width that is no larger multiple of it stays a multiple of a smaller power of two.

        Args:
            multiple: a power of two.
        """
        if self.step is not None:
            return self.step
        step = gcd(self.value, multiple)
        return step if step < self.value else max(1, step // 2)


def width_fields(meta_model: MetaModel, found: Sequence[Sequence[Units]]) -> list[WidthField]:
    """Return the fields that decide the widths of the MLPs of a model.

    The fields are found by trying: one after another is lowered by 1, and the model is built again,
    without weights. So no family's config has to be known.

    Raises:
        UnsupportedModelError: no field decides the width of one of the MLPs, as in families whose
            width is four times the hidden size by definition.
    """
    widths = {
        (index, units.name): units.count for index, block in enumerate(found) for units in block
    }
    fields: list[WidthField] = []
    for name, value in _candidates(meta_model.config):
        known = {key for field in fields for key in field.units}
        left = [width for key, width in widths.items() if key not in known]
        if left and (lowered := _lowered(meta_model, name, value or left[0])) is not None:
            changes = {key: width - lowered.get(key, width) for key, width in widths.items()}
            if units := {key: change for key, change in changes.items() if change > 0}:
                fields.append(WidthField(name, value or left[0], units))
    known = {key for field in fields for key in field.units}
    if missing := next((key for key in widths if key not in known), None):
        index, name = missing
        raise UnsupportedModelError(
            f"the config of a model of type {meta_model.config.model_type!r} has no field for the "
            f"width of {meta_model.block_name(index)}.{name}",
            "set method to depth, or to one that zeroes weights, such as wanda",
        )
    return fields


def _candidates(config: PretrainedConfig) -> Iterator[tuple[str, int | None]]:
    """Yield the fields whose names can mean a width, with their values; None if one is not set."""
    for name, value in config.to_dict().items():
        if _NAMES.search(name) and (value is None or (type(value) is int and value > 1)):
            yield name, value


def _lowered(meta_model: MetaModel, name: str, value: int) -> Counts | None:
    """Return the widths with a field lowered by 1; None if no model can be built like this."""
    try:
        config = smaller_config(meta_model.model.config, {name: value - 1})
        _, blocks = find_blocks(build_model(config, meta_model.dtype))
    except Exception:  # a family's code may raise anything; the field is not used then
        return None
    return {
        (index, units.name): units.count
        for index, block in enumerate(blocks)
        for units in mlp_channels(block, config.get_text_config())
    }
