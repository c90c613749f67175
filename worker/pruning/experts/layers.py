"""The module of a block that holds the routed experts of a mixture."""

import inspect
from dataclasses import dataclass

from torch import nn
from transformers import PretrainedConfig

from worker.pruning.base.errors import UnsupportedModelError

_PER_TOKEN = ("num_experts_per_tok", "top_k_experts", "moe_topk", "moe_top_k")
_COMPARED = 2  # experts of each group, by which routers choose groups
_ARGUMENTS = 3  # tokens, the indices of their experts, and the weights of these


@dataclass(frozen=True)
class ExpertLayer:
    """The routed experts of a block.

    Attributes:
        name: dotted path of their module in the block.
        count: how many experts there are.
    """

    name: str
    count: int


@dataclass(frozen=True)
class Routing:
    """The number of experts that a token gets, and their groups, as a config states them.

    Attributes:
        per_token: how many experts the router chooses for a token; None if the config has no such
            number.
        groups: in how many groups of neighbours the experts are divided; None if the router knows
            no groups.
        groups_per_token: of how many groups a token's experts may be.
    """

    per_token: int | None
    groups: int | None = None
    groups_per_token: int = 1

    @classmethod
    def of(cls, config: PretrainedConfig) -> "Routing":
        """Return the routing that the config of a decoder describes."""
        per_token = next(filter(None, (getattr(config, name, None) for name in _PER_TOKEN)), None)
        groups = getattr(config, "n_group", None) or None
        return cls(per_token, groups, getattr(config, "topk_group", None) or groups or 1)

    @property
    def step(self) -> int:
        """The smallest number of experts that can be removed from a layer: one of each group."""
        return self.groups or 1

    @property
    def fewest(self) -> int:
        """The fewest experts of a layer among which a token finds all of its own."""
        needed = self.per_token or 1
        if self.groups is None:
            return needed
        of_group = -(-needed // self.groups_per_token)
        return self.groups * max(_COMPARED, of_group)


def expert_layer(block: nn.Module) -> ExpertLayer | None:
    """Return the routed experts of a block; None if it has none.

    They are found by their parameters, which hold the matrices of all experts. All routers of
    transformers choose a token's experts and their weights before they call this module.

    Raises:
        UnsupportedModelError: the block calls its experts in another way, or has several mixtures.
    """
    found = [
        (path, module, len(stacks[0]))
        for path, module in block.named_modules()
        if "Expert" in type(module).__name__
        and (stacks := [value for value in module.parameters(recurse=False) if value.ndim == 3])
    ]
    if not found:
        return None
    for path, module, _ in found:
        if len(inspect.signature(module.forward).parameters) != _ARGUMENTS:
            raise UnsupportedModelError(
                f"{path}, of class {type(module).__name__}, does not take the tokens, the indices "
                "of their experts and the weights of these, so that its routing cannot be observed",
                "choose a method that zeroes weights, such as wanda",
            )
    if len(found) > 1:
        raise UnsupportedModelError(
            f"a block has several mixtures of experts, {found[0][0]} and {found[1][0]}",
            "choose a method that zeroes weights, such as wanda",
        )
    ((path, _, count),) = found
    return ExpertLayer(path, count)
