"""Scores of a linear layer's weights. The weights with the smallest scores are pruned first."""

import torch
from torch import Tensor

from worker.pruning.base.errors import ShapeError
from worker.pruning.base.masking import count_zeros

_TINY = torch.finfo(torch.float32).tiny


def magnitude(weight: Tensor) -> Tensor:
    """Score each weight by ``|W|``; the weights and the fp32 scores are ``[out, in]``."""
    return weight.float().abs()


def wanda(weight: Tensor, input_sq_mean: Tensor) -> Tensor:
    """Score each weight by ``|W| n``, where n is the norm of the weight's input feature.

    Sun et al., arXiv:2306.11695, eq. 1. n is computed from the mean of the squared inputs instead
    of their sum: a positive factor common to all inputs does not change the order of the scores.
    The arguments, the result and the error are those of `zpruner`.
    """
    _check(weight, input_sq_mean)
    score = weight.float().abs().mul_(input_sq_mean.sqrt())
    return _zeros_lowest(score, weight)


def ria(weight: Tensor, input_sq_mean: Tensor) -> Tensor:
    """Score each weight by its relative size in its column and row, times the root of a norm n.

    Zhang et al., "Plug-and-Play", ICLR 2024, and its code with a = 0.5:
    ``S = (|W| / sum of |column| + |W| / sum of |row|) * n^0.5``, where n is the norm of the
    weight's input feature. The arguments, the result and the error are those of `zpruner`.
    """
    _check(weight, input_sq_mean)
    size = weight.float().abs()
    score = size / size.sum(0, keepdim=True).clamp_(min=_TINY)
    score.addcdiv_(size, size.sum(1, keepdim=True).clamp_(min=_TINY))
    return _zeros_lowest(score.mul_(input_sq_mean.pow(0.25)), weight)


def gblm(weight: Tensor, input_sq_mean: Tensor, gradient: Tensor) -> Tensor:
    """Score each weight by ``|W| (n + G)``, with its input's norm n and its gradient's norm G.

    Das et al., arXiv:2311.04902, and its code, with the gradients' L2 norm. In that code n is the
    norm of an input feature over a window, and G is the norm, over all windows, of 100 times the
    gradient of the loss. Here n is the root mean square over the tokens, so G has to be divided by
    the square root of the number of tokens in a window.

    Args:
        weight: as in `zpruner`.
        input_sq_mean: as in `zpruner`.
        gradient: ``[out, in]`` fp32, G after that division; not negative.

    Returns:
        As `zpruner`.

    Raises:
        ShapeError: the statistics do not fit the weight.
    """
    _check(weight, input_sq_mean)
    if gradient.shape != weight.shape:
        raise ShapeError(f"weight {tuple(weight.shape)} has gradients {tuple(gradient.shape)}")
    score = weight.float().abs().mul_(input_sq_mean.sqrt() + gradient)
    return _zeros_lowest(score, weight)


def zpruner(weight: Tensor, input_sq_mean: Tensor) -> Tensor:
    """Score each weight by its z-normalised row and column magnitude times the input norm.

    Z-Pruner, arXiv:2508.15828, and its authors' code. The score is
    ``S = (a |z(R)|^3 + (1 - a) |z(C)|^3) * n^1.5``, with ``R = W / |row|``, ``C = W / |column|``
    and ``a = 0.7 (1 - 0.3 f)``. ``|row|`` and ``|column|`` are L2 norms, z is the z-score over the
    whole matrix, n is the norm of the weight's input feature, and f is the share of weights whose
    magnitude is below a tenth of the mean magnitude. n is computed from the mean of the squared
    inputs instead of their sum: a positive factor common to all inputs does not change the order of
    the scores.

    Args:
        weight: ``[out, in]``, any float dtype.
        input_sq_mean: ``[in]`` fp32, mean over calibration tokens of the squared input.

    Returns:
        ``[out, in]`` fp32; weights that are zero get the lowest score, below all others.

    Raises:
        ShapeError: ``input_sq_mean`` does not have one entry per input feature.
    """
    _check(weight, input_sq_mean)
    weight = weight.float()
    alpha = 0.7 * (1 - 0.3 * _small_share(weight))
    rows = _cubed_z(weight / _norm(weight, dim=1)).mul_(alpha)
    score = _cubed_z(weight / _norm(weight, dim=0)).mul_(1 - alpha).add_(rows)
    score.mul_(input_sq_mean.pow(0.75))
    return _zeros_lowest(score, weight)


def _small_share(weight: Tensor) -> float:
    """Return the share of weights below a tenth of the mean magnitude."""
    magnitude = weight.abs()
    return float((magnitude < 0.1 * magnitude.mean()).count_nonzero()) / weight.numel()


def _check(weight: Tensor, input_sq_mean: Tensor) -> None:
    if input_sq_mean.shape != weight.shape[1:]:
        raise ShapeError(
            f"weight {tuple(weight.shape)} needs [{weight.shape[1]}] input "
            f"statistics, got {tuple(input_sq_mean.shape)}"
        )


def _zeros_lowest(score: Tensor, weight: Tensor) -> Tensor:
    """Give weights that are zero the lowest score, in place.

    These weights then count towards the sparsity before any other weight is dropped, even before
    weights whose inputs are always zero.
    """
    if count_zeros(weight):  # rare, and counting takes a tenth of the time of filling
        score.masked_fill_(weight == 0, -1.0)
    return score


def _norm(weight: Tensor, dim: int) -> Tensor:
    """Return the L2 norms along ``dim``, kept above 0: a norm of 0 would make every z-score NaN."""
    return weight.square().sum(dim, keepdim=True).sqrt_().clamp_(min=_TINY)


def _cubed_z(value: Tensor) -> Tensor:
    """Return ``|z|^3``, where z are the z-scores over the whole matrix; overwrites ``value``.

    The mean is computed first, and then the standard deviation. On a CPU, this takes a twentieth of
    the time of ``std_mean``, and is as exact.
    """
    value.sub_(value.mean())
    std = (value.square().sum() / max(1, value.numel() - 1)).sqrt_()
    return value.div_(std.clamp_(min=_TINY)).abs_().pow_(3)
