"""Token losses and perplexity."""

import math
import sys

from torch import Tensor
from torch.nn import functional

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


def perplexity(mean_loss: float) -> float:
    """Return ``exp`` of the mean loss.

    Raises:
        ValueError: the mean loss is not finite, or too large.
    """
    if not mean_loss < _MAX_LOSS:
        raise ValueError(f"a mean loss of {mean_loss} has no perplexity")
    return math.exp(mean_loss)
