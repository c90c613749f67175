"""The channels of a block's MLPs, found from the shapes of its layers."""

from collections.abc import Sequence
from itertools import chain

import torch
from torch import Tensor, nn
from transformers import PretrainedConfig

from worker.pruning.base.errors import UnsupportedModelError
from worker.pruning.model.fused_projections import layer_parts
from worker.pruning.model.linear_layers import LinearLayer, linear_layers
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.structure.units import Slices, Units, rows_of

# Parts of the class names of modules that mix tokens, whose layers can look like those of an MLP.
_MIXERS = ("attention", "attn", "mixer", "mamba")


def mlp_channels(block: nn.Module, config: PretrainedConfig) -> list[Units]:
    """Return the channels of each MLP of a block, and of each expert.

    An MLP is found by its shapes: a layer that reads as many features as other layers of the same
    module compute from the hidden state, or half as many if gate and up are fused in one layer. A
    channel is a feature in between: a column of the layer that reads it, and the rows and biases of
    the layers that compute it.

    Args:
        block: the block; its parameters may be on ``meta``.
        config: the decoder's config.

    Raises:
        UnsupportedModelError: gate and up are fused in an order that is not known.
    """
    channels = []
    for layers in _by_module(block):
        for reader in reversed(layers):
            if writers := _writers(reader, layers, config.hidden_size):
                channels.append(_channels(block, reader, writers, config))
                break
    return channels


def channels_of(meta_model: MetaModel) -> list[list[Units]]:
    """Return the channels of the MLPs of each block.

    Raises:
        UnsupportedModelError: no block has any, or as `mlp_channels`.
    """
    channels = [mlp_channels(block, meta_model.config) for block in meta_model.blocks]
    if not any(channels):
        raise UnsupportedModelError(
            f"a model of type {meta_model.config.model_type!r} has no MLP whose channels could be "
            "removed",
            "set method to depth, or to one that zeroes weights, such as wanda",
        )
    return channels


def _by_module(block: nn.Module) -> list[list[LinearLayer]]:
    """Return the layers of each module, and of each expert, that does not mix tokens."""
    modules: dict[str, list[LinearLayer]] = {}
    for layer in linear_layers(block):
        if not _mixes_tokens(block, layer):
            modules.setdefault(_module(layer), []).append(layer)
    return list(modules.values())


def _module(layer: LinearLayer) -> str:
    """Return the name of the module, or of the expert, that a layer belongs to."""
    module, _, last = layer.name.rpartition(".")
    if layer.expert is not None and last == str(layer.expert):
        # The projections of all experts are in modules of their own, as in JetMoe.
        return f"{module.rpartition('.')[0]}.{last}"
    return module


def _mixes_tokens(block: nn.Module, layer: LinearLayer) -> bool:
    names = layer.weight_name.split(".")
    modules = (block.get_submodule(".".join(names[:depth])) for depth in range(1, len(names)))
    classes = [type(module).__name__.lower() for module in modules]
    return any(mixer in name for name in classes for mixer in _MIXERS)


def _writers(reader: LinearLayer, layers: Sequence[LinearLayer], hidden: int) -> list[LinearLayer]:
    """Return the layers of the module that compute the reader's inputs; none if it is no MLP."""
    outputs, width = reader.oriented(reader.weight).shape
    if outputs != hidden:
        return []
    shapes = ((layer, layer.oriented(layer.weight).shape) for layer in layers)
    return [
        layer
        for layer, shape in shapes
        if layer is not reader and shape in {(width, hidden), (2 * width, hidden)}
    ]


def _channels(
    block: nn.Module, reader: LinearLayer, writers: Sequence[LinearLayer], config: PretrainedConfig
) -> Units:
    own = torch.arange(reader.inputs)[:, None]
    columns = Slices(reader.weight_name, 0 if reader.transposed else 1, own, reader.expert)
    rows = (rows_of(block, layer, _places(layer, reader.inputs, config)) for layer in writers)
    return Units(reader, (columns, *chain.from_iterable(rows)))


def _places(layer: LinearLayer, width: int, config: PretrainedConfig) -> Tensor:
    """Return the rows of each channel, ``[width, 1]`` or, with gate and up, ``[width, 2]``."""
    rows = torch.arange(layer.oriented(layer.weight).shape[0])
    if len(rows) == width:
        return rows[:, None]
    parts = [rows[part.rows] for part in layer_parts(layer, config)]
    if [len(part) for part in parts] != [width, width]:
        raise UnsupportedModelError(
            f"{layer.name} computes two features for each channel, in an order that is not known",
            "choose a method that zeroes weights, such as wanda",
        )
    return torch.stack(parts, dim=1)
