"""The weights of a block that can be pruned, whatever holds them."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D


@dataclass(frozen=True)
class LinearLayer:
    """One matrix of a block, and the parameter it lies in.

    Attributes:
        name: dotted path inside the block, such as ``self_attn.q_proj``, or of one expert's matrix
            ``mlp.experts.3.down_proj``.
        module: what holds the parameter.
        weight_name: the parameter's dotted path inside the block.
        transposed: whether the matrix is stored ``[in, out]``, as GPT-2's Conv1D does.
        expert: which matrix of a 3-D parameter it is; None where it is the whole parameter.
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
        """The parameter that computes the forward, as it is stored; of all experts if of any."""
        return dict(self.module.named_parameters(recurse=False))[self.parameter]

    @property
    def inputs(self) -> int:
        """How many input features the matrix has."""
        return self.oriented(self.weight).shape[1]

    @property
    def is_routed(self) -> bool:
        """Whether tokens may pass it by, as they do experts."""
        return self.expert is not None or bool(re.search(r"experts\.\d", self.name))

    def oriented(self, weight: Tensor) -> Tensor:
        """Return this matrix of a parameter as stored, as a view ``[out, in]``."""
        matrix = weight if self.expert is None else weight[self.expert]
        return matrix.T if self.transposed else matrix

    def compute_with(self, weight: Tensor) -> None:
        """Copy this matrix of a parameter as stored into the one that computes."""
        self.oriented(self.weight).copy_(self.oriented(weight))


def linear_layers(block: nn.Module) -> list[LinearLayer]:
    """Return the prunable matrices of a block in module order, those of each expert together.

    Routers are left out: a few weights that decide where every token goes.
    """
    return [
        layer
        for path, module in block.named_modules()
        if not is_router(block, path)
        for layer in _matrices(path, module)
    ]


def is_router(block: nn.Module, path: str) -> bool:
    """Whether the module at ``path`` is, or is part of, what chooses or weighs experts."""
    names = path.split(".")
    for depth, name in enumerate(names):
        beside_experts = hasattr(block.get_submodule(".".join(names[:depth])), "experts")
        if "router" in name or name.endswith("expert_gate") or (name == "gate" and beside_experts):
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
    """Yield the matrices of 3-D parameters expert by expert, as the forward meets them."""
    for expert in range(max(map(len, stacks.values()), default=0)):
        for name, stack in stacks.items():
            if expert < len(stack):
                own = _join(path, str(expert), "" if name == "weight" else name)
                transposed = _are_transposed(list(stacks.values()))
                yield LinearLayer(own, module, _join(path, name), transposed, expert)


def _are_transposed(stacks: Sequence[Tensor]) -> bool:
    """Whether stacks of matrices, the first to the last, are ``[experts, in, out]``.

    What the last one gives is as wide as what the first one takes.
    """
    first, last = stacks[0], stacks[-1]
    return first is not last and first.shape[2] != last.shape[1]


def _join(*names: str) -> str:
    return ".".join(name for name in names if name)
