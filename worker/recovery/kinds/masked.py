"""Training all kept weights."""

from torch import Tensor, nn
from typing_extensions import override

from worker.pruning.base.masking import apply_mask_
from worker.recovery.kinds.parametrization import Parametrization
from worker.recovery.sharding import own_part, part_like


class MaskedWeights(Parametrization):
    """The weights themselves; the gradient of those that are zero at the start is set to 0."""

    keep: Tensor

    def __init__(self, stored: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(stored.float())
        self.register_buffer("keep", stored != 0, persistent=False)

    @override
    def forward(self) -> Tensor:
        return self.weight

    @override
    def mask_gradients(self) -> None:
        if self.weight.grad is not None:
            apply_mask_(own_part(self.weight.grad), part_like(self.keep, self.weight))
