"""Which parameters of a block a recovery trains."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from torch import nn

from worker.pruning.model.linear_layers import LinearLayer, linear_layers
from worker.recovery.kinds.router import router_parameters


@dataclass(frozen=True)
class TrainedParameters:
    """The parameters of a block that are trained.

    Attributes:
        layers: the layers that use each parameter, by its name; a router's parameter has none.
        norms: the names of the parameters of norms.
    """

    layers: Mapping[str, Sequence[LinearLayer]]
    norms: Sequence[str]

    @classmethod
    def of(cls, block: nn.Module, *, only_routers: bool) -> "TrainedParameters":
        """Return those of the matrices and norms, or those of the routers alone."""
        if only_routers:
            return cls(dict.fromkeys(router_parameters(block), ()), ())
        layers = sorted(linear_layers(block), key=lambda layer: layer.weight_name)
        by_parameter = groupby(layers, key=lambda layer: layer.weight_name)
        return cls({name: list(own) for name, own in by_parameter}, norm_names(block))


def norm_names(module: nn.Module) -> list[str]:
    """Return the names of the parameters of all norms in a module."""
    return [
        f"{path}.{name}".lstrip(".")
        for path, part in module.named_modules()
        if "norm" in type(part).__name__.lower()
        for name, parameter in part.named_parameters(recurse=False)
        if parameter.ndim == 1
    ]
