"""Finding the prunable weight matrices of a block."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D


@dataclass(frozen=True)
class LinearLayer:
    """A weight matrix of a block: a whole parameter, or one expert's part of a 3-D parameter.

    Attributes:
        name: dotted path in the block, such as ``self_attn.q_proj``, or, for an expert's matrix,
            ``mlp.experts.3.down_proj``.
        module: the module that holds the parameter.
        weight_name: the parameter's dotted path in the block.
        transposed: whether the matrix is stored ``[in, out]``, as in GPT-2's Conv1D.
        expert: index of the matrix in a 3-D parameter; None if the matrix is the whole parameter.
    """

    name: str
    module: nn.Module
    weight_name: str
    transposed: bool
    expert: int | None = None

    @property
    def parameter(self) -> str:
        """The parameter's name in its module."""
        return self.weight_name.rpartition(".")[2]

    @property
    def weight(self) -> Tensor:
        """The whole parameter that the forward uses, in its stored layout.

        The layout is ``[out, in]``, or ``[in, out]`` if transposed. A 3-D parameter holds the
        matrices of all experts: ``[experts, out, in]`` or ``[experts, in, out]``.
        """
        return dict(self.module.named_parameters(recurse=False))[self.parameter]

    @property
    def inputs(self) -> int:
        """Number of input features."""
        return self.oriented(self.weight).shape[1]

    @property
    def is_routed(self) -> bool:
        """Whether the layer belongs to an expert, which gets only some of the tokens."""
        return self.expert is not None or bool(re.search(r"experts\.\d", self.name))

    def oriented(self, weight: Tensor) -> Tensor:
        """Return this layer's matrix as a view ``[out, in]`` of ``weight``.

        ``weight`` has the layout in which the parameter is stored.
        """
        matrix = weight if self.expert is None else weight[self.expert]
        return matrix.T if self.transposed else matrix

    def copy_from(self, weight: Tensor) -> None:
        """Copy this layer's matrix from ``weight`` to the module.

        ``weight`` has the layout in which the parameter is stored.
        """
        self.oriented(self.weight).copy_(self.oriented(weight))


def linear_layers(block: nn.Module) -> list[LinearLayer]:
    """Return the prunable layers of a block in module order, with each expert's layers together.

    Routers are left out: they have few weights, but choose the experts for every token.
    """
    return [
        layer
        for path, module in block.named_modules()
        if not is_router(block, path)
        for layer in _matrices(path, module)
    ]


def is_router(block: nn.Module, path: str) -> bool:
    """Return whether ``path`` is in a router of experts, or in the gate of a shared expert."""
    names = path.split(".")
    for depth, name in enumerate(names):
        if "router" in name or name.endswith("expert_gate"):
            return True
        if name == "gate" and hasattr(block.get_submodule(".".join(names[:depth])), "experts"):
            return True
    return False


def _matrices(path: str, module: nn.Module) -> Iterator[LinearLayer]:
    if isinstance(module, nn.Linear | Conv1D):
        yield LinearLayer(path, module, _join(path, "weight"), isinstance(module, Conv1D))
    elif "Expert" in type(module).__name__:
        parameters = module.named_parameters(recurse=False)
        stacks = {name: parameter for name, parameter in parameters if parameter.ndim == 3}
        yield from _experts(path, module, stacks)


def _experts(
    path: str, module: nn.Module, stacks: dict[str, nn.Parameter]
) -> Iterator[LinearLayer]:
    """Yield the matrices of 3-D parameters, expert by expert.

    The matrices of each expert have the order of the parameters in the module.
    """
    for expert in range(max(map(len, stacks.values()), default=0)):
        for name, stack in stacks.items():
            if expert < len(stack):
                own = _join(path, str(expert), "" if name == "weight" else name)
                transposed = _are_transposed(list(stacks.values()))
                yield LinearLayer(own, module, _join(path, name), transposed, expert)


def _are_transposed(stacks: Sequence[Tensor]) -> bool:
    """Return whether a module's 3-D parameters, given in order, are ``[experts, in, out]``.

    The layout is taken to be ``[experts, out, in]`` if, read like this, the last parameter has as
    many outputs as the first has inputs. A single parameter is also taken to have this layout.
    """
    first, last = stacks[0], stacks[-1]
    return first is not last and first.shape[2] != last.shape[1]


def _join(*names: str) -> str:
    return ".".join(name for name in names if name)
