"""Training all weights with a mask that may change: AST (Huang et al., 2024, arXiv:2407.20584)."""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from typing_extensions import override

from worker.pruning.base.masking import apply_mask_, count_zeros
from worker.pruning.methods.patterns import NofM, Pattern
from worker.recovery.kinds.matrix import MatrixLayout
from worker.recovery.kinds.parametrization import Parametrization
from worker.recovery.sharding import gathered, own_part, part_like

REFRESH_STEPS = 10
"""Number of steps after which the mask is chosen again."""
DECAY = 6e-5
"""The largest weight decay of the weights that are not kept."""


class AdaptiveWeights(Parametrization):
    """The weights m⊙W with a mask m; the gradient passes straight through m to all of W.

    The first mask keeps the nonzero weights of the pruned matrix. Later masks satisfy the given
    pattern and keep the weights of largest magnitude. Under an unstructured pattern, every mask
    keeps as many weights as the first. Weights that are not kept get a weight decay, which grows
    over the first half of the steps. A part that was not pruned to the pattern keeps its first
    mask.
    """

    keep: Tensor

    def __init__(self, stored: Tensor, layout: MatrixLayout, pattern: Pattern) -> None:
        super().__init__()
        self._layout = layout
        self.weight = nn.Parameter(stored.float())
        self.register_buffer("keep", stored != 0)
        self._patterns = [
            _pattern_of(part.of(layer.oriented(self.weight.detach())), pattern)
            for layer, part in layout.parts()
        ]

    @override
    def forward(self) -> Tensor:
        kept: Tensor = _StraightThrough.apply(self.weight, self.keep)  # type: ignore[no-untyped-call] # torch does not type it
        return kept

    @override
    @torch.no_grad()
    def before_step(self, step: int, steps: int, rate: float) -> None:
        growing = max(1, steps // 2)
        decay = DECAY * min(1.0, step / growing)
        weight = own_part(self.weight)
        weight.addcmul_(weight, ~part_like(self.keep, self.weight), value=-rate * decay)

    @override
    @torch.no_grad()
    def after_step(self, step: int) -> None:
        if (step + 1) % REFRESH_STEPS:
            return
        whole = gathered(self.weight)
        for (layer, part), pattern in zip(self._layout.parts(), self._patterns, strict=True):
            if pattern is not None:
                score = part.of(layer.oriented(whole)).abs()
                part.write(layer.oriented(self.keep), pattern.keep(score))


class _StraightThrough(torch.autograd.Function):
    """Sets masked weights to zero in the forward; passes all gradients on in the backward."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, keep: Tensor) -> Tensor:
        kept = weight.clone()
        apply_mask_(kept, keep)
        return kept

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0], None


def _pattern_of(weight: Tensor, pattern: Pattern) -> Pattern | None:
    """Return the pattern for the masks of a part ``[out, in]``; None if the part keeps its mask.

    An unstructured pattern gets the sparsity that the part has. A part keeps its mask if it has no
    zeros, or if it does not satisfy an N:M pattern.
    """
    zeros = count_zeros(weight)
    if not isinstance(pattern, NofM):
        return replace(pattern, sparsity=zeros / weight.numel()) if zeros else None
    if weight.shape[1] % pattern.m:
        return None
    kept = (weight.reshape(-1, pattern.m) != 0).sum(1)
    return pattern if bool((kept <= pattern.n).all()) else None
