"""Allocations: how the sparsity of a model is spread over its blocks."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from worker.pruning.base.errors import AllocationError


@dataclass(frozen=True)
class BlockSparsities:
    """A given sparsity for each block, in depth order."""

    per_block: tuple[float, ...]

    def sparsities(self, blocks: int) -> tuple[float, ...]:
        """Return the sparsities.

        Raises:
            AllocationError: their number is not ``blocks``, or one is not in ``[0, 1)``.
        """
        if len(self.per_block) != blocks:
            raise AllocationError(
                f"allocation has {len(self.per_block)} sparsities for a model of {blocks} blocks; "
                "give one sparsity for each block"
            )
        return _checked(self.per_block, "give a sparsity from 0 to below 1")


def owl(shares: Sequence[float], sparsity: float, spread: float = 0.08) -> tuple[float, ...]:
    """Return a sparsity for each block: the more outliers a block has, the less it is pruned.

    OWL, Yin et al., arXiv:2310.05175, and its code: with ``r = 2 spread * minmax(shares)`` over
    the blocks, block l gets ``sparsity - (r_l - mean r)``. Their mean is ``sparsity``. If all
    blocks have the same share, they get the same sparsity; the published code divides by zero.

    Args:
        shares: each block's `outlier_share`, in depth order; a common factor changes nothing.
        sparsity: the mean to reach, in ``[0, 1)``.
        spread: the paper's lambda; the most and the least pruned block lie ``2 * spread`` apart.

    Raises:
        AllocationError: a block's sparsity would not be in ``[0, 1)``.
    """
    low, high = min(shares), max(shares)
    width = high - low or 1.0
    raised = [2 * spread * ((share - low) / width) for share in shares]
    mean = sum(raised) / len(raised)
    sparsities = tuple(sparsity - (value - mean) for value in raised)
    return _checked(sparsities, "choose another sparsity, or the allocation uniform")


def outlier_share(scores: Iterable[Tensor], multiple: float = 5.0) -> float:
    """Return the share of a block's Wanda scores above ``multiple`` times their mean.

    OWL's layerwise outlier distribution (arXiv:2310.05175), in ``[0, 1]``; the published
    code prints it in percent. Mean and share are taken over all layers of the block together,
    with inputs of the dense model.

    Args:
        scores: ``[out, in]`` of each linear layer in the block, from `scores.wanda`; negative
            scores, which mark weights that are zero, count as 0.
        multiple: the code's ``Hyper_m``.
    """
    scored = [score.clamp(min=0) for score in scores]
    count = sum(score.numel() for score in scored)
    bound = multiple * sum(float(score.sum(dtype=torch.float64)) for score in scored) / count
    return sum(int((score > bound).sum()) for score in scored) / count


def _checked(sparsities: tuple[float, ...], remedy: str) -> tuple[float, ...]:
    for index, sparsity in enumerate(sparsities):
        if not 0 <= sparsity < 1:
            raise AllocationError(
                f"allocation gives block {index} sparsity {sparsity:.4g}, outside [0, 1); {remedy}"
            )
    return sparsities
