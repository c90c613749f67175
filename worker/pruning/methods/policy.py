"""Learning the probability of each unit by trial, in Bypass back-propagation (arXiv 2406.10576)."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

EPSILON = 1e-8
REMEMBERED = 5
"""The mean losses of so many earlier steps are the baseline of a step."""
_BISECTIONS = 100


def starting_values(scores: Tensor) -> Tensor:
    """Return values from 0 to 1 that the probabilities of a module's units start from.

    They are the sigmoids of the scores' z-scores; the projection then gives them their mean.

    Args:
        scores: ``[units]``, higher for more important units.

    Returns:
        ``[units]`` fp64.
    """
    values = scores.double()
    spread = values.std(correction=0).clamp_min(torch.finfo(torch.float64).tiny)
    return torch.sigmoid((values - values.mean()) / spread)


def projected(values: Tensor, total: float) -> Tensor:
    """Return the probabilities nearest to ``values`` whose sum is ``total``.

    They are clip(values − shift, 0, 1), with the shift found by bisection.

    Args:
        values: ``[n]`` fp64.
        total: from 0 to n.
    """
    low, high = values.min() - 1, values.max()
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        if (values - middle).clamp(0, 1).sum() > total:
            low = middle
        else:
            high = middle
    return (values - (low + high) / 2).clamp(0, 1)


def baseline(earlier: Sequence[float], losses: Tensor) -> float:
    """Return what the losses of a step are compared with.

    It is the mean of the last `REMEMBERED` steps' mean losses; that of the losses themselves in the
    first step.
    """
    last = list(earlier)[-REMEMBERED:]
    return sum(last) / len(last) if last else float(losses.mean())


def policy_gradient(
    losses: Tensor, masks: Tensor, probabilities: Tensor, compared: float
) -> Tensor:
    """Estimate by how much the expected loss rises with each unit's probability.

    It is Σ (L − b) (m − s) / √(s (1 − s) + ε) / (K − 1), over K draws.

    Args:
        losses: ``[K]`` fp64, L: the loss of the model with the units of each draw.
        masks: ``[K, n]`` fp64, m: 1 for the units of a draw, 0 for the others.
        probabilities: ``[n]`` fp64, s.
        compared: b, the baseline.

    Returns:
        ``[n]`` fp64.
    """
    spread = (probabilities * (1 - probabilities) + EPSILON).sqrt()
    advantages = (losses - compared)[:, None]
    return (advantages * (masks - probabilities)).sum(0) / spread / (len(losses) - 1)


def learning_rate(highest: float, step: int, steps: int) -> float:
    """Return the learning rate of a step, counted from 0: it falls from the highest to 0."""
    return highest / 2 * (1 + math.cos(math.pi * step / steps))
