"""The parameters of a block that are trained together."""

from collections.abc import Sequence

from torch import nn

from worker.pruning.model.linear_layers import LinearLayer
from worker.pruning.refinement.settings import Refinement

Group = dict[str, list[LinearLayer]]
"""For each parameter, by its name, the trained layers in it; an empty list for a norm."""


def trained_groups(
    block: nn.Module, layers: Sequence[LinearLayer], refinement: Refinement
) -> list[Group]:
    """Return the groups of a block's parameters in the order in which they are trained.

    Args:
        layers: the block's pruned layers.
        refinement: how the block is trained.
    """
    groups = [_group(half) for half in _halves(layers, refinement)]
    for name in _norms(block) if refinement.norms else ():
        module = name.partition(".")[0]
        owners = [group for group in groups if any(_is_in(module, other) for other in group)]
        for group in owners or groups:
            group[name] = []
    return groups


def _halves(layers: Sequence[LinearLayer], refinement: Refinement) -> list[list[LinearLayer]]:
    if refinement.scope == "block" or not layers:
        return [list(layers)] if layers else []
    first = layers[0].weight_name.partition(".")[0]
    parts: tuple[list[LinearLayer], list[LinearLayer]] = ([], [])
    for layer in layers:
        parts[not _is_in(first, layer.weight_name)].append(layer)
    return [part for part in parts if part]


def _group(layers: Sequence[LinearLayer]) -> Group:
    group: Group = {}
    for layer in layers:
        group.setdefault(layer.weight_name, []).append(layer)
    return group


def _norms(block: nn.Module) -> list[str]:
    """Return the names of the parameters of a block's norms."""
    return [
        f"{path}.{name}"
        for path, module in block.named_modules()
        if path and "norm" in type(module).__name__.lower()
        for name, _ in module.named_parameters(recurse=False)
    ]


def _is_in(module: str, name: str) -> bool:
    return name.partition(".")[0] == module
