"""Learning the probability of each unit by trial, in Bypass back-propagation (arXiv 2406.10576)."""

import math

import torch
from torch import Tensor

EPSILON = 1e-7
WINDOW = 5
"""A step has one part in so many in the moving average that later steps are compared with."""
_SMALLEST_SPREAD = 1e-8
_BISECTIONS = 100


def starting_scores(weight: Tensor, mean_squares: Tensor, places: Tensor) -> Tensor:
    """Score each unit by its features i in the layer that reads it: Σᵢ meanⱼ |Wⱼᵢ| ‖Xᵢ‖.

    Args:
        weight: ``[out, in]``, W, any float dtype.
        mean_squares: ``[in]`` fp32; the mean of each input feature's squares, which is ‖Xᵢ‖² but
            for a factor that all features share.
        places: ``[units, n]`` int64; the features of each unit.

    Returns:
        ``[units]`` fp32.
    """
    columns = weight.float().abs().mean(0) * mean_squares.sqrt()
    return columns[places.to(columns.device)].sum(1)


def starting_values(scores: Tensor, share: float) -> Tensor:
    """Return the probabilities that a module's units start from.

    They are the sigmoids of the scores' z-scores, shifted to the mean ``share`` and clipped.

    Args:
        scores: ``[units]``, higher for more important units.
        share: the share of the units that stays.

    Returns:
        ``[units]`` fp64.
    """
    values = scores.double()
    spread = values.std() if len(values) > 1 else torch.zeros((), dtype=torch.float64)
    sigmoids = torch.sigmoid((values - values.mean()) / (spread + _SMALLEST_SPREAD))
    return (sigmoids + (share - sigmoids.mean())).clamp(0, 1)


def projected(values: Tensor, most: float) -> Tensor:
    """Return the probabilities nearest to ``values`` whose sum is ``most`` or less.

    They are clip(values − shift, 0, 1), with a shift of 0 or more that is found by bisection. So a
    probability of 0 stays 0.

    Args:
        values: ``[n]`` fp64.
        most: from 0 to n.
    """
    if values.clamp(0, 1).sum() <= most:
        return values.clamp(0, 1)
    low, high = values.new_zeros(()), values.max()
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        if (values - middle).clamp(0, 1).sum() > most:
            low = middle
        else:
            high = middle
    return (values - (low + high) / 2).clamp(0, 1)


def baseline(before: float | None, losses: Tensor) -> float:
    """Return what the losses of a step are compared with: a moving average with this step.

    Args:
        before: the baseline of the step before; None in the first step, whose own mean it is then.
        losses: ``[K]`` fp64, the losses of the step.
    """
    mean = float(losses.mean())
    return mean if before is None else before + (mean - before) / WINDOW


def policy_gradient(
    losses: Tensor, masks: Tensor, probabilities: Tensor, compared: float
) -> Tensor:
    """Estimate by how much the expected loss rises with each unit's probability.

    It is Σ (L − b) (m − s) / √((s + ε) (1 − s + ε)) / (K − 1), over K draws.

    Args:
        losses: ``[K]`` fp64, L: the loss of the model with the units of each draw.
        masks: ``[K, n]`` fp64, m: 1 for the units of a draw, 0 for the others.
        probabilities: ``[n]`` fp64, s.
        compared: b, the baseline.

    Returns:
        ``[n]`` fp64.
    """
    spread = ((probabilities + EPSILON) * (1 - probabilities + EPSILON)).sqrt()
    advantages = (losses - compared)[:, None]
    return (advantages * (masks - probabilities)).sum(0) / spread / (len(losses) - 1)


def learning_rate(highest: float, step: int, steps: int) -> float:
    """Return the learning rate of a step, counted from 0: it falls from the highest to 0."""
    return highest / 2 * (1 + math.cos(math.pi * step / steps))
