"""Units: the parts of a block that are removed as a whole, such as the channels of an MLP."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from worker.pruning.model.linear_layers import LinearLayer


@dataclass(frozen=True)
class Slices:
    """The entries of one parameter that belong to units.

    Attributes:
        parameter: the parameter's dotted path in the block.
        dim: the dimension in which the units follow each other. For an expert, this is a dimension
            of its part of the parameter.
        places: ``[units, n]`` int64; row i has the indices of unit i in this dimension.
        expert: index of the expert in the parameter's first dimension; None if the units divide
            the whole parameter.
    """

    parameter: str
    dim: int
    places: Tensor
    expert: int | None = None

    def part(self, parameter: Tensor) -> Tensor:
        """Return the part of the parameter that the units divide, as a view."""
        return parameter if self.expert is None else parameter[self.expert]

    def zero(self, parameter: Tensor, removed: Tensor) -> None:
        """Zero the entries of the units ``removed [n]``, int64, in place."""
        places = self.places[removed].flatten().to(parameter.device)
        self.part(parameter).index_fill_(self.dim, places, 0)

    def cut(self, parameter: Tensor, kept: Tensor) -> Tensor:
        """Return a copy of the part with the entries of the units ``kept [n]``, int64, alone."""
        return self.part(parameter).index_select(self.dim, self._ascending(kept, parameter))

    def restore(self, parameter: Tensor, kept: Tensor, values: Tensor) -> None:
        """Set the entries of the units ``kept [n]``, int64, in place, to ``values`` as of `cut`."""
        self.part(parameter).index_copy_(self.dim, self._ascending(kept, parameter), values)

    def entries(self, parameter: Tensor) -> int:
        """Return how many entries of the parameter each unit has."""
        part = self.part(parameter)
        return part.numel() // part.shape[self.dim] * self.places.shape[1]

    def _ascending(self, units: Tensor, parameter: Tensor) -> Tensor:
        """Return the places of some units in the order of the parameter, on its device."""
        return self.places[units].flatten().sort().values.to(parameter.device)


@dataclass(frozen=True)
class Units:
    """The units of one module: for example the channels of an MLP, or of one expert.

    Attributes:
        reader: the layer that reads what the units compute: each unit has some of its input
            features, and a unit whose features have weights of zero has no effect.
        slices: the entries of all parameters, that of the reader first.
    """

    reader: LinearLayer
    slices: tuple[Slices, ...]

    @property
    def name(self) -> str:
        """The name of the reader, by which the units are known."""
        return self.reader.name

    @property
    def count(self) -> int:
        """Number of units."""
        return len(self.slices[0].places)

    def entries(self, parameters: Mapping[str, Tensor]) -> int:
        """Return how many entries of a block's parameters each unit has."""
        return sum(piece.entries(parameters[piece.parameter]) for piece in self.slices)

    def features(self, units: Tensor) -> Tensor:
        """Return the reader's input features, in ascending order, that the units ``[n]`` have."""
        return self.slices[0].places[units].flatten().sort().values


def rows_of(block: nn.Module, layer: LinearLayer, places: Tensor) -> list[Slices]:
    """Return the entries of units in the weight, and in the bias, of a layer that computes them.

    Args:
        block: the block of the layer.
        places: ``[units, n]`` int64; the layer's output features that each unit has.
    """
    rows = [Slices(layer.weight_name, 1 if layer.transposed else 0, places, layer.expert)]
    bias = f"{layer.weight_name}_bias"  # of experts in one parameter
    if layer.expert is None:
        bias = f"{layer.weight_name.removesuffix('weight')}bias"
    if bias in dict(block.named_parameters()):
        rows.append(Slices(bias, 0, places, layer.expert))
    return rows


def cut_block(
    parameters: Mapping[str, Tensor], kept: Sequence[tuple[Units, Tensor]]
) -> dict[str, Tensor]:
    """Return a block's parameters without the units that are not kept.

    Args:
        parameters: the parameters, by their names in the block.
        kept: units, and the indices ``[n]`` int64 of those that stay. Of the experts in one
            parameter, each keeps the same number.
    """
    smaller = dict(parameters)
    parts: dict[str, list[Tensor]] = {}
    for units, indices in kept:
        for piece in units.slices:
            cut = piece.cut(parameters[piece.parameter], indices)
            parts.setdefault(piece.parameter, []).append(cut)
            smaller[piece.parameter] = cut
    # The parts of experts come in the order of the experts.
    stacked = {
        piece.parameter for units, _ in kept for piece in units.slices if piece.expert is not None
    }
    return smaller | {name: torch.stack(parts[name]) for name in stacked}


def restore_block(
    parameters: Mapping[str, Tensor],
    kept: Sequence[tuple[Units, Tensor]],
    smaller: Mapping[str, Tensor],
) -> dict[str, Tensor]:
    """Return a block's parameters with the values of a smaller block; the inverse of `cut_block`.

    Args:
        parameters: the parameters of the whole block. Units that are not kept keep these values.
        kept: units, and the indices ``[n]`` int64 of those that the smaller block has.
        smaller: the parameters of the smaller block.
    """
    divided = {piece.parameter for units, _ in kept for piece in units.slices}
    restored = {
        name: whole.clone() if name in divided else smaller[name]
        for name, whole in parameters.items()
    }
    for units, indices in kept:
        for piece in units.slices:
            piece.restore(restored[piece.parameter], indices, piece.part(smaller[piece.parameter]))
    return restored


def ranges_of(indices: Tensor) -> tuple[tuple[int, int], ...]:
    """Return ascending indices ``[n]`` as ranges, each with its first index and its end."""
    ranges: list[tuple[int, int]] = []
    for index in indices.tolist():
        start = ranges.pop()[0] if ranges and ranges[-1][1] == index else index
        ranges.append((start, index + 1))
    return tuple(ranges)


def outside_of(ranges: Sequence[tuple[int, int]], count: int) -> Tensor:
    """Return the indices ``[n]`` int64 below ``count`` that are in none of the ranges."""
    inside = torch.zeros(count, dtype=torch.bool)
    for start, end in ranges:
        inside[start:end] = True
    return (~inside).nonzero()[:, 0]
