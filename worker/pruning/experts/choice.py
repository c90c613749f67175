"""The choice of the experts that stay."""

import torch
from torch import Tensor

from worker.pruning.methods.units import joint_scores


def lowest_experts(scores: Tensor, count: int, groups: int) -> Tensor:
    """Return the indices of the experts to remove, in ascending order: those of the lowest scores.

    Each group loses as many; of equal scores, those with lower indices are removed first.

    Args:
        scores: ``[experts]``.
        count: how many experts are removed, a multiple of ``groups``.
        groups: in how many groups of neighbours the experts are divided.

    Returns:
        ``[count]`` int64.
    """
    grouped = scores.view(groups, -1)
    order = grouped.sort(dim=1, stable=True).indices[:, : count // groups]
    starts = torch.arange(groups)[:, None] * grouped.shape[1]
    removed: Tensor = (order + starts).flatten().sort().values
    return removed


def expert_scores(first: Tensor, second: Tensor | None) -> Tensor:
    """Return the scores ``[experts]`` on one text, or on two, of which each spares experts."""
    return first if second is None else joint_scores(first, second)
