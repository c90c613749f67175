"""Where the activations of a module's channels can be observed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from worker.pruning.base.errors import UnsupportedModelError
from worker.pruning.structure.units import Units


@dataclass(frozen=True)
class ChannelPlace:
    """Features of a layer that are activations of channels.

    Attributes:
        layer: the layer's dotted path in the block.
        features: ``[channels]`` int64; the feature of each channel.
        is_input: whether they are inputs of the layer, not outputs.
    """

    layer: str
    features: Tensor
    is_input: bool

    def watched(self, block: nn.Module, watch: Callable[[Tensor], None]) -> RemovableHandle:
        """Call ``watch`` with the layer's inputs or outputs ``[..., features]`` when it runs."""
        layer = block.get_submodule(self.layer)
        if self.is_input:
            return layer.register_forward_pre_hook(lambda _, args: watch(args[0]))

        def watch_output(module: nn.Module, args: Any, output: Tensor) -> None:
            watch(output)

        return layer.register_forward_hook(watch_output)


def check_places(found: Sequence[Sequence[Units]]) -> None:
    """Check that the activations of all channels can be observed; ``found`` are those of blocks.

    Raises:
        UnsupportedModelError: as `channel_places`.
    """
    for block in found:
        for units in block:
            channel_places(units)


def channel_places(units: Units) -> list[ChannelPlace]:
    """Return the inputs of the layer that reads the channels, and each output that computes them.

    Raises:
        UnsupportedModelError: the channels are those of an expert, which gets some tokens only.
    """
    if units.reader.is_routed:
        raise UnsupportedModelError(
            f"{units.name} belongs to an expert, which the last token of a window may not reach",
            "leave selection out",
        )
    places = [ChannelPlace(units.name, units.slices[0].places[:, 0], is_input=True)]
    for piece in units.slices[1:]:
        layer, _, kind = piece.parameter.rpartition(".")
        if kind == "weight":
            places += (ChannelPlace(layer, own, is_input=False) for own in piece.places.unbind(1))
    return places
