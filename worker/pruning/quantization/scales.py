"""The scales of quantised weights."""

import torch
from torch import Tensor

from worker.pruning.quantization.scheme import Scheme

_SHARES = tuple(1 - step / 40 for step in range(21))
"""The scales that are tried, as shares of the one that makes the largest weight exact: 1 to 0.5."""


def choose_scales(weights: Tensor, sq_mean: Tensor, scheme: Scheme, dtype: torch.dtype) -> Tensor:
    """Choose a scale for each row of a group of columns.

    Args:
        weights: ``[n, out]`` fp32, the weights of the group's n columns, 0 where they are pruned.
        sq_mean: ``[n]`` fp32, the mean squares of the columns' inputs.
        scheme: how the weights are quantised.
        dtype: the dtype in which the scales are stored.

    Returns:
        ``[out]`` fp32, positive, with values that ``dtype`` can represent. A row without weights
        has the scale 1.
    """
    largest = weights.abs().amax(0)
    full = largest / (2 ** (scheme.bits - 1) - 1)
    best = _representable(full, dtype)
    if scheme.scales == "mse":
        least = torch.full_like(best, torch.inf)
        for share in _SHARES:
            scale = _representable(full * share, dtype)
            change = round_to(weights, scale, scheme.bits) * scale - weights
            error = change.square_().mul_(sq_mean[:, None]).sum(0)
            is_better = error < least
            best = torch.where(is_better, scale, best)
            least = torch.where(is_better, error, least)
    return best.masked_fill_(largest == 0, 1.0)


def round_to(weights: Tensor, scale: Tensor, bits: int) -> Tensor:
    """Return the integers nearest to ``weights / scale`` that ``bits`` can represent, as floats."""
    most = 2 ** (bits - 1)
    return (weights / scale).round_().clamp_(-most, most - 1)


def _representable(scale: Tensor, dtype: torch.dtype) -> Tensor:
    """Round scales to ``dtype``; those too small for it, or fp32, become a normal number."""
    smallest = max(torch.finfo(dtype).tiny, torch.finfo(torch.float32).tiny)
    return scale.to(dtype).float().clamp_(min=smallest)
