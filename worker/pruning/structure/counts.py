"""The number of units that a ratio removes."""

from collections.abc import Mapping, Sequence
from contextlib import suppress

import torch
from torch import Tensor, nn

from worker.pruning.base.errors import IncrementsError, RatioError
from worker.pruning.base.increments import AT_ONCE, Increment
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.structure.division import Kind, divide
from worker.pruning.structure.units import Units, cut_block
from worker.pruning.structure.width_fields import WidthField

MULTIPLES = (128, 64, 32, 8)
"""Of what widths stay multiples where they are and the ratio can be met: the first three are the
group sizes that kernels for quantised weights take; the last is for kernels of matrix products."""
TOLERANCE = 0.05
"""By how much of itself a ratio may be missed for one of the first multiples."""


class UnitCounts:
    """The units of a model's blocks, and how many of them are removed.

    Args:
        found: the units of each block.
        fields: the fields of the config that decide how many units there are; units of modules that
            no field decides about stay.
    """

    def __init__(
        self,
        meta_model: MetaModel,
        found: Sequence[Sequence[Units]],
        fields: Sequence[WidthField],
    ) -> None:
        self._blocks, self._found, self._fields = meta_model.blocks, found, fields
        parameters = [dict(block.named_parameters()) for block in meta_model.blocks]
        self._total = sum(value.numel() for block in parameters for value in block.values())
        self._entries = {
            (index, units.name): units.entries(parameters[index])
            for index, block in enumerate(found)
            for units in block
        }

    def removed(
        self, ratio: float, increment: Increment = AT_ONCE, *, is_exact: bool = False
    ) -> dict[str, int]:
        """Return by how much to lower each field, to remove this share of the blocks' parameters.

        Widths stay multiples of `MULTIPLES`, of the first that meets the ratio within `TOLERANCE`.

        Args:
            ratio: the share that is removed after the last increment.
            increment: the increment after which the fields are lowered by the returned numbers.
            is_exact: whether widths stay multiples of the last one only.

        Raises:
            RatioError: no field would be lowered, or a module would lose all its units.
            IncrementsError: an increment would lower no field. It need not lower all: heads may be
                fewer than increments, some of which then lower the widths of the MLPs alone.
        """
        for multiple in () if is_exact else MULTIPLES[:-1]:
            steps = [field.step_of(multiple) for field in self._fields]
            with suppress(RatioError, IncrementsError):
                removed = self._removed_in(steps, ratio, increment)
                last = self._removed_in(steps, ratio, AT_ONCE)
                if abs(self.parameters(last) / self._total - ratio) <= TOLERANCE * ratio:
                    return removed
        return self._removed_in(self._smallest_steps, ratio, increment)

    def ratios(self) -> list[float]:
        """Return the ratios that `removed` meets exactly, ascending."""
        kinds = self._kinds(self._smallest_steps)
        step = min(kind.step_parameters for kind in kinds)
        most = sum(kind.most_parameters for kind in kinds)
        return [number * step / self._total for number in range(1, int(most / step) + 1)]

    @property
    def _smallest_steps(self) -> list[int]:
        return [field.step_of(MULTIPLES[-1]) for field in self._fields]

    def _kinds(self, steps: Sequence[int]) -> list[Kind]:
        return [
            Kind(field.value, self._cost(field), step)
            for field, step in zip(self._fields, steps, strict=True)
        ]

    def _removed_in(
        self, steps: Sequence[int], ratio: float, increment: Increment
    ) -> dict[str, int]:
        """Return by how much to lower each field, in these steps; raise as `removed`."""
        counts = divided_ratio(ratio, self._total, self._kinds(steps))
        groups = [count // step for count, step in zip(counts, steps, strict=True)]
        increment.check_divides(max(groups), "groups of units")
        return {
            field.name: step * increment.reached(count)
            for field, step, count in zip(self._fields, steps, groups, strict=True)
        }

    def kept(self, removed: Mapping[str, int]) -> tuple[dict[str, int], ...]:
        """Return for each block how many units stay, by their name."""
        return tuple(
            {units.name: units.count - self._fewer(index, units, removed) for units in block}
            for index, block in enumerate(self._found)
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

    def _cost(self, field: WidthField) -> int:
        """Return how many parameters are removed if a field is lowered by 1."""
        return sum(count * self._entries[key] for key, count in field.units.items())


def divided_ratio(ratio: float, total: int, kinds: Sequence[Kind]) -> list[int]:
    """Return how many units of each kind to remove, to remove this share of ``total`` parameters.

    Raises:
        RatioError: no unit would be removed, or all units of a kind.
    """
    most = sum(kind.most_parameters for kind in kinds)
    step = min(kind.step_parameters for kind in kinds)
    if ratio * total >= most + step / 2:
        raise RatioError(ratio, "removes all units of a module", most / total)
    counts = divide(ratio * total, kinds)
    if not any(counts):
        raise RatioError(ratio, "removes no unit", step / total)
    return counts


def _smaller(
    block: nn.Module, units: Sequence[Units], kept: Mapping[str, int]
) -> dict[str, Tensor]:
    parameters = dict(block.named_parameters())
    return cut_block(parameters, [(group, torch.arange(kept[group.name])) for group in units])
