"""The joint choice: each group loses the set of weights whose joint removal costs the least."""

from itertools import combinations

import torch
from torch import Tensor

_SETS = 32  # sets whose losses are computed at once


def joint_keep(weight: Tensor, inverse: Tensor, kept: int) -> Tensor:
    """Return a bool mask ``[rows, group]`` that keeps ``kept`` weights of each row.

    Zhao et al., 2024 (arXiv:2410.15567): removing the set P of a row costs w_P ([H⁻¹]_PP)⁻¹ w_Pᵀ,
    up to a constant factor. The losses of all sets of the right size are compared; for 2:4, there
    are six sets. Of sets of equal loss, the first in lexicographic order is removed.

    Args:
        weight: ``[rows, group]`` fp32.
        inverse: ``[group, group]`` fp32, this group's rows and columns of an inverse Hessian. The
            Hessian covers all weights of a row that can make up for the removed ones.
        kept: how many weights of each row are kept.
    """
    group = len(inverse)
    chosen = list(combinations(range(group), group - kept))
    sets = torch.tensor(chosen, dtype=torch.int64, device=weight.device).view(len(chosen), -1)
    least = weight.new_full((len(weight),), torch.inf)
    best = torch.zeros(len(weight), dtype=torch.int64, device=weight.device)
    for first in range(0, len(sets), _SETS):
        value, index = _losses(weight, inverse, sets[first : first + _SETS]).min(1)
        best = torch.where(value < least, index + first, best)
        least = torch.minimum(least, value)
    return torch.ones_like(weight, dtype=torch.bool).scatter_(1, sets[best], False)


def _losses(weight: Tensor, inverse: Tensor, sets: Tensor) -> Tensor:
    """Return the losses ``[rows, sets]`` of removing each set ``[sets, size]`` from each row."""
    principal = inverse.double()[sets[:, :, None], sets[:, None, :]]
    penalty = torch.linalg.inv(principal).float()  # [sets, size, size]
    removed = weight[:, sets].transpose(0, 1)  # [sets, rows, size]
    losses: Tensor = (removed @ penalty * removed).sum(2)
    return losses.T
