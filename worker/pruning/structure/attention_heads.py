"""The heads of a block's attention, found from its shapes and the config."""

from collections.abc import Collection, Iterator, Sequence

import torch
from torch import Tensor, nn
from transformers import PretrainedConfig

from worker.pruning.model.fused_projections import layer_parts
from worker.pruning.model.linear_layers import LinearLayer, linear_layers
from worker.pruning.structure.units import Slices, Units, rows_of

HEADS, KEY_HEADS = "num_attention_heads", "num_key_value_heads"
"""The fields of a config with the number of heads of queries, and of keys and values."""
_READ_ELSEWHERE = {"qwen3_moe", "smollm3"}
"""Families without the field, whose ``head_dim`` other programs read all the same."""


def attention_heads(block: nn.Module, config: PretrainedConfig) -> list[Units]:
    """Return the heads of the attention of a block; none if it has one head or another kind.

    A unit is a head of keys and values with the heads of queries that share it: their rows in the
    projections to queries, keys and values, and their columns in the projection of the outputs.
    There are none where a norm spans all heads, as in OLMoE: without one head, the others change.

    Args:
        block: the block; its parameters may be on ``meta``.
        config: the decoder's config.
    """
    heads, groups = getattr(config, HEADS, None), getattr(config, KEY_HEADS, None)
    if heads is None or groups is None or groups < 2 or heads % groups:
        return []
    by_module: dict[str, list[LinearLayer]] = {}
    for layer in linear_layers(block):
        by_module.setdefault(layer.name.rpartition(".")[0], []).append(layer)
    candidates = (_heads(block, name, own, config) for name, own in by_module.items())
    return [units for units in candidates if units is not None]


def head_width(config: PretrainedConfig) -> int:
    """Return the number of features of a head."""
    width: int = (
        getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    )
    return width


def has_head_width(config: PretrainedConfig) -> bool:
    """Return whether configs of this family have a field for the width of a head.

    transformers reads ``head_dim`` from any config. Other programs compute the width from the size
    of the hidden state where a family's configs had no such field at first, with few exceptions.
    """
    if config.model_type in _READ_ELSEWHERE:
        return True
    try:
        return hasattr(type(config)(), "head_dim")
    except Exception:  # a family's code may raise anything
        return True


def _heads(
    block: nn.Module, module: str, layers: Sequence[LinearLayer], config: PretrainedConfig
) -> Units | None:
    """Return the heads in the layers of one module; None if it is no attention of this kind."""
    heads, groups = config.num_attention_heads, config.num_key_value_heads
    width = head_width(config)
    is_attention = "attn" in module or "attention" in module
    shapes = [tuple(layer.oriented(layer.weight).shape) for layer in layers]
    outputs, projected = (config.hidden_size, heads * width), (heads + 2 * groups) * width
    if not is_attention or outputs not in shapes:
        return None
    last = len(shapes) - 1 - shapes[::-1].index(outputs)
    reader, projections = layers[last], [*layers[:last], *layers[last + 1 :]]
    rows = [count for count, _ in (*shapes[:last], *shapes[last + 1 :])]
    if sum(rows) != projected or any(count % groups for count in rows):
        return None
    if _spans_heads(block.get_submodule(module), layers, {heads * width, groups * width}):
        return None
    columns = torch.arange(reader.inputs).view(groups, -1)
    slices = [Slices(reader.weight_name, 0 if reader.transposed else 1, columns)]
    for layer in projections:
        slices += rows_of(block, layer, _places(layer, groups, config))
    slices += _values_of_heads(block, module, heads, groups)
    return Units(reader, tuple(slices))


def _spans_heads(module: nn.Module, layers: Sequence[LinearLayer], sizes: Collection[int]) -> bool:
    """Return whether a part of an attention, such as a norm, has a value for each head's features.

    Args:
        module: the attention.
        layers: its linear layers, which are no such parts.
        sizes: how many features all heads of queries have, and all heads of keys.
    """
    linear = [layer.module for layer in layers]
    return any(
        value.numel() in sizes
        for part in module.children()
        if not any(part is layer for layer in linear)
        for value in part.parameters()
    )


def _places(layer: LinearLayer, groups: int, config: PretrainedConfig) -> Tensor:
    """Return the rows of each unit in a projection, which may be fused, ``[units, n]``."""
    rows = torch.arange(layer.oriented(layer.weight).shape[0])
    parts = [rows[part.rows].view(groups, -1) for part in layer_parts(layer, config)]
    return torch.cat(parts, dim=1)


def _values_of_heads(block: nn.Module, module: str, heads: int, groups: int) -> Iterator[Slices]:
    """Yield the entries of parameters that have one value for each head, such as sinks."""
    for name, value in block.get_submodule(module).named_parameters(recurse=False):
        if value.shape == (heads,):
            yield Slices(f"{module}.{name}", 0, torch.arange(heads).view(groups, -1))
