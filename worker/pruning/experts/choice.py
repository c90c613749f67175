"""The choice of the experts that stay."""

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
    return (removal_places(scores, groups) < count // groups).nonzero()[:, 0]


def removal_places(scores: Tensor, groups: int) -> Tensor:
    """Return the place of each expert in the order in which its group loses experts.

    The experts of the lowest scores come first, and of equal scores those with lower indices.

    Args:
        scores: ``[experts]``.
        groups: in how many groups of neighbours the experts are divided.

    Returns:
        ``[experts]`` int64, from 0 in each group.
    """
    order = scores.view(groups, -1).sort(dim=1, stable=True).indices
    return order.argsort(dim=1).flatten()


def expert_scores(first: Tensor, second: Tensor | None) -> Tensor:
    """Return the scores ``[experts]`` on one text, or `joint_scores` if a second text is given."""
    return first if second is None else joint_scores(first, second)
