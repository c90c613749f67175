"""The units of a whole model, and which of them are removed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from worker.pruning.methods.adapt import shifted
from worker.pruning.methods.units import highest
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.structure.attention_heads import attention_heads
from worker.pruning.structure.division import Kind, divide
from worker.pruning.structure.measured_units import MeasuredUnits
from worker.pruning.structure.units import Units, outside_of, ranges_of
from worker.pruning.sweep.removal.lost_units import lost_units

Removed = list[dict[str, Tensor]]
"""For each block, the indices ``[n]`` int64 of the units that it loses, by the units' name."""


@dataclass(frozen=True)
class Module:
    """The units of one module of a block, and their place among all units of the model.

    Attributes:
        block: index of the block.
        entries: how many parameters each of them has.
        start: the place of the first one among all units.
        has_heads: whether the units are attention heads, not channels.
    """

    block: int
    units: Units
    entries: int
    start: int
    has_heads: bool

    @property
    def name(self) -> str:
        """The name of the units in their block."""
        return self.units.name

    @property
    def end(self) -> int:
        """The place after the last unit."""
        return self.start + self.units.count

    def of(self, values: Tensor) -> Tensor:
        """Return the values of these units, as a view; ``values [..., n]`` has one for each."""
        return values[..., self.start : self.end]


class ModelUnits:
    """The units of all modules of a model, in the order of the blocks.

    Attributes:
        modules: the modules.
        of_block: the units of each block.
        parameters: how many parameters the blocks have.
        lost: ``[n]`` bool; the units that earlier increments have removed.
    """

    def __init__(self, meta_model: MetaModel, removal: MeasuredUnits) -> None:
        self.modules: list[Module] = []
        self.of_block: list[list[Units]] = []
        self.parameters, start = 0, 0
        for index, block in enumerate(meta_model.blocks):
            values = dict(block.named_parameters())
            self.parameters += sum(value.numel() for value in values.values())
            heads = {units.name for units in attention_heads(block, meta_model.config)}
            self.of_block.append(removal.units(block, meta_model.config))
            for units in self.of_block[-1]:
                entries = units.entries(values)
                self.modules.append(Module(index, units, entries, start, units.name in heads))
                start += units.count
        self.lost = torch.zeros(start, dtype=torch.bool)
        if removal.increment.continues:
            self.lost = lost_units(meta_model, self.of_block)

    @property
    def count(self) -> int:
        """How many units the model has."""
        return self.modules[-1].end

    def of_kind(self, has_heads: bool) -> list[Module]:
        """Return the modules with heads, or those with channels."""
        return [module for module in self.modules if module.has_heads == has_heads]

    def within(self, index: int) -> list[Module]:
        """Return the modules of one block."""
        return [module for module in self.modules if module.block == index]

    def sizes(self) -> list[int]:
        """Return how many parameters the units of each block have together."""
        return [
            sum(module.entries * module.units.count for module in self.within(index))
            for index in range(len(self.of_block))
        ]

    def lost_sizes(self) -> list[int]:
        """Return how many parameters each block has lost in earlier increments."""
        pairs = zip(self.sizes(), range(len(self.of_block)), strict=True)
        return [size - self._parameters(self.within(index)) for size, index in pairs]

    def left(self, module: Module) -> int:
        """Return how many units of a module no earlier increment has removed."""
        return module.units.count - int(module.of(self.lost).sum())

    def removed_below(self, values: Tensor, kept: Sequence[Mapping[str, int]]) -> Removed:
        """Return all units but the highest of each module; those that are lost go first.

        Args:
            values: ``[n]``; the value of each unit.
            kept: for each block, how many units stay, by their name.
        """
        removed: Removed = [{} for _ in self.of_block]
        values = values.masked_fill(self.lost, -torch.inf)
        for module in self.modules:
            count = kept[module.block][module.name]
            if count < module.units.count:
                stay = highest(module.of(values), count)
                removed[module.block][module.name] = outside_of(ranges_of(stay), module.units.count)
        return removed

    def kept_by_share(self, shares: Sequence[float]) -> list[dict[str, int]]:
        """Return how many units of each module stay if each block loses a share of its units.

        What rounding leaves of a block's share is added to that of the next block, so the sum over
        the blocks is met to one unit.
        """
        sizes = self.sizes()
        if self.lost.any():
            return self._kept_of_left(shares, sizes)
        wanted = [share * size for share, size in zip(shares, sizes, strict=True)]
        return self._kept_of(wanted, [self.within(index) for index in range(len(sizes))])

    def _kept_of_left(self, shares: Sequence[float], sizes: Sequence[int]) -> list[dict[str, int]]:
        """Return what `kept_by_share` does, if earlier increments have removed units.

        A step of a share may be smaller than a head, which then goes once half of it is wanted and
        all blocks together allow it. Channels make up for the difference, in other blocks, too.
        """
        lost = self.lost_sizes()
        wanted = [share * size for share, size in zip(shares, sizes, strict=True)]
        budget = sum(wanted) - sum(lost)
        further = {module.start: 0 for module in self.modules}
        heads = self.of_kind(has_heads=True)

        def missing(module: Module) -> float:
            gone = module.units.count - self.left(module) + further[module.start]
            return shares[module.block] * module.units.count - gone

        while heads and missing(most := max(heads, key=missing)) >= 0.5:
            if most.entries > budget or self.left(most) - further[most.start] <= 1:
                heads.remove(most)
                continue
            further[most.start] += 1
            budget -= most.entries
        for module in self.of_kind(has_heads=True):
            lost[module.block] += further[module.start] * module.entries
        rest = [(own - gone) / size for own, gone, size in zip(wanted, lost, sizes, strict=True)]
        rest = shifted(rest, sizes, budget)
        channels = [
            [module for module in self.within(index) if not module.has_heads]
            for index in range(len(sizes))
        ]
        kept = self._kept_of([s * size for s, size in zip(rest, sizes, strict=True)], channels)
        for module in self.of_kind(has_heads=True):
            kept[module.block][module.name] = self.left(module) - further[module.start]
        return kept

    def _kept_of(
        self, wanted: Sequence[float], modules: Sequence[Sequence[Module]]
    ) -> list[dict[str, int]]:
        """Return how many units stay of modules of each block, which lose ``wanted`` parameters."""
        kept: list[dict[str, int]] = []
        left = 0.0
        for parameters, own in zip(wanted, modules, strict=True):
            left += parameters
            counts = (
                divide(left, [Kind(self.left(module), module.entries) for module in own])
                if own
                else []
            )
            pairs = list(zip(own, counts, strict=True))
            left -= sum(module.entries * count for module, count in pairs)
            kept.append({module.name: self.left(module) - count for module, count in pairs})
        return kept

    def divided(self, parameters: float) -> list[tuple[list[Module], int]]:
        """Return how many more heads, and how many more channels, have to be removed.

        Args:
            parameters: how many parameters are removed in all, those of the lost units included.

        Returns:
            For heads and for channels: the modules that have such units, and the number for all of
            these modules together.
        """
        kinds = [modules for modules in map(self.of_kind, (True, False)) if modules]
        left = parameters - sum(self.lost_sizes())
        counts = divide(left, [self._kind(modules) for modules in kinds])
        return list(zip(kinds, counts, strict=True))

    def removed_lowest(self, values: Tensor, parameters: float) -> Removed:
        """Return the lost units and the lowest ones, of each kind its share of ``parameters``.

        One unit of each module stays.

        Args:
            values: ``[n]``; the value of each unit.
            parameters: how many parameters are removed.
        """
        lost = self.lost.clone()
        for modules, count in self.divided(parameters):
            lost[self._lowest(modules, values, count)] = True
        removed: Removed = [{} for _ in self.of_block]
        for module in self.modules:
            if len(places := module.of(lost).nonzero()[:, 0]):
                removed[module.block][module.name] = places
        return removed

    def share_outside(self, removed: Removed, others: Removed) -> float:
        """Return the share of the removed units that are not among the others.

        Those that earlier increments have removed do not count.
        """
        own, other = self._flags(removed) & ~self.lost, self._flags(others)
        return int((own & ~other).sum()) / max(1, int(own.sum()))

    def _flags(self, removed: Removed) -> Tensor:
        """Return which units are removed, ``[n]`` bool."""
        flags = torch.zeros(self.count, dtype=torch.bool)
        for module in self.modules:
            if module.name in removed[module.block]:
                module.of(flags)[removed[module.block][module.name]] = True
        return flags

    def _kind(self, modules: Sequence[Module]) -> Kind:
        count = sum(map(self.left, modules))
        return Kind(count, self._parameters(modules) / count)

    def _parameters(self, modules: Sequence[Module]) -> int:
        """Return how many parameters the units have that no earlier increment has removed."""
        return sum(module.entries * self.left(module) for module in modules)

    def _lowest(self, modules: Sequence[Module], values: Tensor, count: int) -> list[int]:
        """Return the places of the lowest units, with the parameters of ``count`` units."""
        target, places = count * self._kind(modules).parameters, list[int]()
        left = {module.start: self.left(module) for module in modules}
        for module, place in self._ascending(modules, values):
            if target < module.entries / 2:
                break
            if left[module.start] > 1:
                left[module.start] -= 1
                target -= module.entries
                places.append(place)
        return places

    def _ascending(self, modules: Sequence[Module], values: Tensor) -> Iterator[tuple[Module, int]]:
        """Yield the units that are not lost, each with its place, from the lowest value up."""
        places = torch.cat([torch.arange(module.start, module.end) for module in modules])
        owners = [module for module in modules for _ in range(module.units.count)]
        for at in values[places].sort(stable=True).indices.tolist():
            if not self.lost[places[at]]:
                yield owners[at], int(places[at])
