"""The weights of a block that can be pruned, whatever class holds them."""

import re
from dataclasses import dataclass

from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D


@dataclass(frozen=True)
class Linear:
    """One linear layer of a block.

    Attributes:
        name: dotted path inside the block, such as ``self_attn.q_proj``.
        module: the layer; its weight computes the forward.
        transposed: whether the weight is stored ``[in, out]``, as GPT-2's Conv1D does.
    """

    name: str
    module: nn.Module
    transposed: bool

    @property
    def weight_name(self) -> str:
        """The weight's dotted path inside the block."""
        return f"{self.name}.weight"

    @property
    def weight(self) -> Tensor:
        """The weight that computes the forward, as it is stored."""
        return self.module.get_parameter("weight")

    @property
    def inputs(self) -> int:
        """How many input features the layer has."""
        return self.weight.shape[0 if self.transposed else 1]

    @property
    def is_routed(self) -> bool:
        """Whether tokens may pass it by, as they do experts."""
        return bool(re.search(r"experts\.\d", self.name))

    def oriented(self, weight: Tensor) -> Tensor:
        """Return the stored weight as a view ``[out, in]``."""
        return weight.T if self.transposed else weight

    def compute_with(self, weight: Tensor) -> None:
        """Replace the computing weight; in place would reach what shares its memory."""
        weight = weight.to(self.weight.device, self.weight.dtype)
        self.module.weight = nn.Parameter(weight, requires_grad=False)


def linears(block: nn.Module) -> list[Linear]:
    """Return the prunable linear layers of a block in module order."""
    return [
        Linear(name, module, transposed=isinstance(module, Conv1D))
        for name, module in block.named_modules()
        if isinstance(module, nn.Linear | Conv1D)
    ]
