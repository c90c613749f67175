"""How many units a ratio removes."""

from collections.abc import Mapping, Sequence
from math import gcd

import torch
from torch import Tensor, nn

from worker.pruning.base.errors import RatioError
from worker.pruning.base.increments import AT_ONCE, Increment
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.structure.units import Units, cut_block
from worker.pruning.structure.width_fields import WidthField


class UnitCounts:
    """The units of a model's blocks, and how many of them are removed.

    Args:
        meta_model: the model.
        found: the units of each block.
        fields: the fields of the config that decide how many units there are.
        multiple: the number of units of a module stays a multiple of this if it is one.
    """

    def __init__(
        self,
        meta_model: MetaModel,
        found: Sequence[Sequence[Units]],
        fields: Sequence[WidthField],
        multiple: int,
    ) -> None:
        self._blocks, self._found, self._fields = meta_model.blocks, found, fields
        self._multiple = multiple
        parameters = [dict(block.named_parameters()) for block in meta_model.blocks]
        self._total = sum(value.numel() for block in parameters for value in block.values())
        self._entries = {
            (index, units.name): units.entries(parameters[index])
            for index, block in enumerate(found)
            for units in block
        }

    def removed(self, ratio: float, increment: Increment = AT_ONCE) -> dict[str, int]:
        """Return by how much to lower each field, to remove this share of the blocks' parameters.

        Args:
            ratio: the share that is removed after the last increment.
            increment: the increment after which the fields are lowered by the returned numbers.

        Raises:
            RatioError: no field would be lowered, or a module would lose all its units.
            IncrementsError: an increment would not lower a field.
        """
        whole = sum(self._cost(field) * field.value for field in self._fields) / self._total
        share = ratio / whole
        steps = {field.name: self._step(field) for field in self._fields}
        removed = {
            field.name: steps[field.name] * round(share * field.value / steps[field.name])
            for field in self._fields
        }
        sizes = [steps[field.name] / field.value for field in self._fields]
        if any(removed[field.name] >= field.value for field in self._fields):
            most = (1 - max(sizes)) * whole
            raise _unreachable(ratio, "removes all units of a module", most)
        if not any(removed.values()):
            least = min(sizes) * whole
            raise _unreachable(ratio, "removes no unit", least)
        groups = {name: count // steps[name] for name, count in removed.items()}
        increment.check_divides(min(filter(None, groups.values())), "groups of units")
        return {name: steps[name] * increment.reached(count) for name, count in groups.items()}

    def kept(self, removed: Mapping[str, int]) -> tuple[dict[str, int], ...]:
        """Return for each block how many units stay, by their name."""
        return tuple(
            {one.name: one.count - self._fewer(index, one, removed) for one in units}
            for index, units in enumerate(self._found)
        )

    def parameters(self, removed: Mapping[str, int]) -> int:
        """Return how many parameters are removed if each field is lowered by this much."""
        return sum(self._cost(field) * removed[field.name] for field in self._fields)

    def smaller_blocks(self, removed: Mapping[str, int]) -> list[dict[str, Tensor]]:
        """Return the parameters of the blocks that are left, of which only the shapes count."""
        kept = self.kept(removed)
        return [
            _smaller(block, units, kept[index])
            for index, (block, units) in enumerate(zip(self._blocks, self._found, strict=True))
        ]

    def _fewer(self, index: int, units: Units, removed: Mapping[str, int]) -> int:
        key = (index, units.name)
        return sum(field.units.get(key, 0) * removed[field.name] for field in self._fields)

    def _step(self, field: WidthField) -> int:
        step = gcd(field.value, self._multiple)
        return step if step < field.value else 1

    def _cost(self, field: WidthField) -> int:
        """Return how many parameters are removed if a field is lowered by 1."""
        return sum(count * self._entries[key] for key, count in field.units.items())


def _smaller(
    block: nn.Module, units: Sequence[Units], kept: Mapping[str, int]
) -> dict[str, Tensor]:
    parameters = dict(block.named_parameters())
    return cut_block(parameters, [(one, torch.arange(kept[one.name])) for one in units])


def _unreachable(ratio: float, reason: str, nearest: float) -> RatioError:
    text = f"a ratio of {ratio:g} {reason}; set ratio to {nearest:.4g}, the nearest that fits"
    return RatioError(text)
