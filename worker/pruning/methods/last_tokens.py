"""PTL's selection of channels by the last tokens of prompts (arXiv 2602.04919)."""

import torch
from torch import Tensor


def counted(activations: Tensor, share: float, *, largest: bool) -> Tensor:
    """Count in how many windows each channel is among those with the extreme activations.

    Activations have signs: the smallest ones are those that are most negative.

    Args:
        activations: ``[windows, channels]``; on the last token of each window.
        share: the share of the channels that is extreme in each window, rounded down.
        largest: whether the largest activations count, or the smallest.

    Returns:
        ``[channels]`` int64.
    """
    channels = activations.shape[1]
    most = activations.topk(int(share * channels), dim=1, largest=largest, sorted=False).indices
    return torch.bincount(most.flatten(), minlength=channels)


def agreement(small: Tensor, large: Tensor, texts: int) -> Tensor:
    """Return how many prompts of the goal agree that a channel can go.

    A channel is observed in several places: the outputs of gate and up, and the input of down. The
    place counts in which most prompts agree. Places where a channel is large in all windows of a
    general text do not count.

    Args:
        small: ``[places, channels]`` int64; in how many prompts the channel is among the smallest.
        large: ``[places, channels]`` int64; in how many windows of the general text it is among the
            largest.
        texts: how many windows the general text has; 0 without one.

    Returns:
        ``[channels]`` int64.
    """
    return small.masked_fill(large == texts, 0).amax(0) if texts else small.amax(0)


def first_agreed(agreed: Tensor, lost: Tensor, count: int) -> Tensor:
    """Return the indices of the channels that go, ``[count]`` int64, in ascending order.

    They are the lost ones, and then those on which most prompts agree, lower indices first. If
    enough channels are among the smallest in all prompts, these are the published ones.

    Args:
        agreed: ``[channels]`` int64, as of `agreement`.
        lost: ``[channels]`` bool; the channels that earlier increments have removed.
        count: how many channels go in all.
    """
    order = agreed.masked_fill(lost, int(agreed.max()) + 1).sort(descending=True, stable=True)
    return order.indices[:count].sort().values
