"""The two values of a group's kept weights: a middle plus and minus a distance."""

from dataclasses import dataclass

import torch
from torch import Tensor

_ROUNDS = 8  # of choosing signs and values in turn


@dataclass(frozen=True)
class Levels:
    """Two values for each row, ``middle`` ± ``distance``; both are ``[out]`` fp32.

    Attributes:
        middle: μ.
        distance: α, at least 0.
    """

    middle: Tensor
    distance: Tensor

    def nearest(self, weights: Tensor) -> Tensor:
        """Return α sign(w − μ) + μ for weights w ``[..., out]``."""
        return self.middle + self.distance * signs_of(weights - self.middle)

    def stored(self, dtype: torch.dtype) -> "Levels":
        """Return the levels rounded to the dtype in which they count as stored."""
        return Levels(self.middle.to(dtype).float(), self.distance.to(dtype).float())


def fit_levels(weights: Tensor, kept: Tensor, middle: Tensor) -> Levels:
    """Find levels with a small squared error of the kept weights.

    Signs and levels are chosen in turn, so that the error never grows: the signs of w − μ are the
    best for given levels, and `best_levels` are the best for given signs.

    Args:
        weights: ``[n, out]`` fp32, the weights of a group's n columns.
        kept: ``[n, out]`` fp32, 1 where a weight is kept, else 0.
        middle: ``[out]`` fp32, the μ to start from.
    """
    levels = Levels(middle, torch.zeros_like(middle))
    for _ in range(_ROUNDS):
        levels = best_levels(weights, kept, signs_of(weights - levels.middle))
    return levels


def best_levels(weights: Tensor, kept: Tensor, signs: Tensor) -> Levels:
    """Return the levels with the least squared error of the kept weights for given signs.

    This is the regression of the weights on their signs, in closed form. A row whose kept weights
    all have the same sign gets their mean for μ and 0 for α, and a row without kept weights 0.

    Args:
        weights: ``[n, out]`` fp32.
        kept: ``[n, out]`` fp32, 1 where a weight is kept, else 0.
        signs: ``[n, out]`` fp32, 1 or −1.
    """
    mean_sign, mean = mean_of(signs, kept), mean_of(weights, kept)
    covariance = mean_of(signs * (weights - mean), kept)
    variance = 1 - mean_sign.square()
    distance = torch.where(variance > 0, covariance / variance, 0.0)
    return Levels(mean - distance * mean_sign, distance)


def mean_of(values: Tensor, kept: Tensor) -> Tensor:
    """Return the mean of the kept values of each row, ``[out]``; 0 where none is kept.

    ``values`` and ``kept``, 1 or 0, are ``[n, out]`` fp32.
    """
    return (values * kept).sum(0) / kept.sum(0).clamp_(min=1)


def signs_of(values: Tensor) -> Tensor:
    """Return 1 where a value is at least 0, else −1."""
    return torch.where(values >= 0, 1.0, -1.0)
