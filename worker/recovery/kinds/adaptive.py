"""Training all weights with a mask that may change: AST (Huang et al., 2024, arXiv:2407.20584)."""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from typing_extensions import override

from worker.pruning.base.masking import apply_mask_
from worker.pruning.methods.patterns import NofM, Pattern
from worker.recovery.kinds.matrix import MatrixLayout
from worker.recovery.kinds.parametrization import Parametrization
from worker.recovery.sharding import gathered, own_part, part_like

REFRESH_STEPS = 10
"""The mask is chosen again after the first step, and then each time after as many steps."""
DECAY = 6e-5
"""The largest weight decay of the weights that are not kept."""


class AdaptiveWeights(Parametrization):
    """The weights m⊙W with a mask m; the gradient passes straight through m to all of W.

    W starts with the pruned matrix, and with the dense one where that has zeros. The first mask
    keeps the nonzero weights of the pruned matrix. Later masks satisfy the given pattern and keep
    the weights of largest magnitude. Under an unstructured pattern, every mask keeps as many
    weights as the first. A part that was not pruned to the pattern keeps its first mask.

    The weights that are not kept have a weight decay λ(t), which grows over the first half of the
    steps. It is a term of their gradient, λ(t)·W, so that Adam divides it by the size of the
    gradients.

    Args:
        stored: the pruned parameter, in its stored dtype.
        dense: the dense model's parameter of the same shape.
        layout: how the matrices are stored in both.
        pattern: the pattern that each mask must satisfy.
    """

    keep: Tensor

    def __init__(
        self, stored: Tensor, dense: Tensor, layout: MatrixLayout, pattern: Pattern
    ) -> None:
        super().__init__()
        self._layout = layout
        self.register_buffer("keep", stored != 0)
        self.weight = nn.Parameter(torch.where(self.keep, stored.float(), dense.float()))
        self._patterns = [
            _pattern_of(part.of(layer.oriented(self.keep)), pattern)
            for layer, part in layout.parts()
        ]

    @override
    def forward(self) -> Tensor:
        kept: Tensor = _StraightThrough.apply(self.weight, self.keep)  # type: ignore[no-untyped-call] # torch does not type it
        return kept

    @override
    @torch.no_grad()
    def add_decay(self, step: int, steps: int) -> None:
        if self.weight.grad is None:
            return
        growing = max(1, steps // 2)
        decay = DECAY * min(1.0, step / growing)
        dropped = ~part_like(self.keep, self.weight)
        own_part(self.weight.grad).addcmul_(own_part(self.weight), dropped, value=decay)

    @override
    @torch.no_grad()
    def after_step(self, step: int) -> None:
        if step % REFRESH_STEPS:
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


def _pattern_of(keep: Tensor, pattern: Pattern) -> Pattern | None:
    """Return the pattern for later masks of a part; None if the part keeps its first mask.

    An unstructured pattern gets the sparsity that the part has. A part keeps its mask if it keeps
    all weights, or if it does not satisfy an N:M pattern.

    Args:
        keep: ``[out, in]`` bool, the first mask of the part.
        pattern: the pattern of the job.
    """
    dropped = keep.numel() - int(keep.sum())
    if not isinstance(pattern, NofM):
        return replace(pattern, sparsity=dropped / keep.numel()) if dropped else None
    if keep.shape[1] % pattern.m:
        return None
    kept = keep.reshape(-1, pattern.m).sum(1)
    return pattern if bool((kept <= pattern.n).all()) else None
