"""Token losses and perplexity."""

import math
import statistics
import sys
from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional

NORMAL_95 = statistics.NormalDist().inv_cdf(0.975)
_MAX_LOSS = math.log(sys.float_info.max)


def token_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the cross-entropy of each target.

    Args:
        logits: ``[n, vocabulary]``, any float dtype; converted to fp32.
        targets: ``[n]`` int64 token ids.

    Returns:
        ``[n]`` fp32, in nats.
    """
    return functional.cross_entropy(logits.float(), targets, reduction="none")


def perplexity_interval(losses: Sequence[float]) -> tuple[float, float] | None:
    """Return the interval of 95 % of a perplexity or a ratio; None for fewer than two windows.

    The windows count as independent samples of the text, so that the interval says how much another
    text of the same kind and length may differ.

    Args:
        losses: the mean loss of each window; for a ratio, the differences of two models' losses.
    """
    if len(losses) < 2:
        return None
    half = NORMAL_95 * statistics.stdev(losses) / math.sqrt(len(losses))
    mean = statistics.fmean(losses)
    return math.exp(mean - half), math.exp(min(mean + half, _MAX_LOSS))


def perplexity(mean_loss: float) -> float:
    """Return ``exp`` of the mean loss.

    Raises:
        ValueError: the mean loss is not finite, or too large.
    """
    if not mean_loss < _MAX_LOSS:
        raise ValueError(f"a mean loss of {mean_loss} has no perplexity")
    return math.exp(mean_loss)
