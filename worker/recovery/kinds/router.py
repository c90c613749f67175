"""Training the routers of a mixture alone: Router-KD (Hyeon and Do, 2026, arXiv:2603.02217)."""

from collections.abc import Iterable

from torch import Tensor, nn
from typing_extensions import override

from worker.pruning.base.errors import RecoveryError
from worker.pruning.model.linear_layers import is_router
from worker.recovery.kinds.parametrization import Parametrization


class RouterWeights(Parametrization):
    """The weights themselves, all of them trained: a router has no mask."""

    def __init__(self, stored: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(stored.float())

    @override
    def forward(self) -> Tensor:
        return self.weight


def router_parameters(block: nn.Module) -> list[str]:
    """Return the names of the weights and biases with which a block chooses experts for a token.

    A correction that is added to choose experts, but not to weight them, has no gradient and is
    none of them. Neither is the gate of a shared expert, which chooses nothing.
    """
    return [
        f"{path}.{name}"
        for path, module in block.named_modules()
        if is_router(block, path) and "expert_gate" not in path and _is_linear(module)
        for name, _ in module.named_parameters(recurse=False)
        if name in {"weight", "bias"}
    ]


def check_routers(blocks: Iterable[nn.Module], kind: str) -> None:
    """Check that blocks have routers to train.

    Args:
        blocks: the blocks of a model.
        kind: the type of the model.

    Raises:
        RecoveryError: they have none.
    """
    if not any(router_parameters(block) for block in blocks):
        raise RecoveryError(
            f"recover router trains the routers of a mixture of experts, and a model of type "
            f"{kind!r} has none",
            "set recover to masked",
        )


def _is_linear(module: nn.Module) -> bool:
    weight = getattr(module, "weight", None)
    return isinstance(weight, Tensor) and weight.ndim == 2
