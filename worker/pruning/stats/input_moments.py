"""Means, mean squares and variances of a linear layer's inputs."""

from typing import Protocol, Self

import torch
from torch import Tensor

from worker.pruning.distributed.ranks import Ranks
from worker.pruning.model.linear_layers import LinearLayer

_CHUNK = 1 << 18  # numbers; larger chunks do not fit the CPU cache and take up to ten times as long


class Moments(Protocol):
    """The interface of all classes that collect statistics of a layer's inputs.

    Attributes:
        tokens: number of tokens added.
    """

    tokens: int

    def add(self, inputs: Tensor) -> None:
        """Add inputs ``[..., in]``, any float dtype."""

    def sq_mean(self) -> Tensor:
        """Return the mean square of each feature: ``[in]`` fp32."""

    def all_reduced(self, ranks: Ranks, layer: LinearLayer) -> Self:
        """Return the moments over the inputs of all ranks; every rank gets the same result.

        Args:
            ranks: the processes.
            layer: the layer; a rank that has added no inputs takes width and device from it.
        """


class InputMoments:
    """The mean square of each input feature over all calibration tokens.

    Squares are summed in fp32 within a chunk of tokens and in fp64 over the chunks; in fp16 the sum
    could overflow.

    Attributes:
        tokens: number of tokens added.
    """

    def __init__(self) -> None:
        self._sum_sq: Tensor | None = None
        self.tokens = 0

    def add(self, inputs: Tensor) -> None:
        """Add inputs ``[..., in]``, any float dtype."""
        width = inputs.shape[-1]
        inputs = inputs.reshape(-1, width)  # [tokens, in]
        chunks = torch.split(inputs, max(1, _CHUNK // width))
        sums = [chunk.float().square().sum(0) for chunk in chunks]
        sum_sq = torch.stack(sums).double().sum(0)  # [in]
        self._sum_sq = sum_sq if self._sum_sq is None else self._sum_sq + sum_sq
        self.tokens += len(inputs)

    def sq_mean(self) -> Tensor:
        """Return the mean square of each feature: ``[in]`` fp32."""
        if self._sum_sq is None:
            raise ValueError("no inputs were added")
        return (self._sum_sq / self.tokens).float()

    def all_reduced(self, ranks: Ranks, layer: LinearLayer) -> Self:
        """Return the moments over the inputs of all ranks; every rank gets the same result.

        Args:
            ranks: the processes.
            layer: the layer; a rank that has added no inputs takes width and device from it.
        """
        total = type(self)()
        total.tokens = ranks.sum_of(self.tokens)
        if total.tokens:
            total._sum_sq = ranks.all_reduce(or_zeros(self._sum_sq, (layer.inputs,), layer))
        return total


class VarianceMoments:
    """The mean and mean square of each input feature, and its variance within a window.

    The mean and mean square are taken over all calibration tokens. The variance is averaged over
    the windows, weighted by their numbers of tokens. Each window's moments are computed in fp32 and
    added in fp64.

    Attributes:
        tokens: number of tokens added.
        windows: number of windows added.
    """

    def __init__(self) -> None:
        self._sums: Tensor | None = None  # [3, in], `_means` times the tokens
        self.tokens, self.windows = 0, 0

    def add(self, inputs: Tensor) -> None:
        """Add inputs ``[windows, tokens, in]``, or ``[tokens, in]`` as one window."""
        for window in inputs.reshape(-1, *inputs.shape[-2:]):
            variance, mean = torch.var_mean(window.float(), dim=0, correction=0)
            sums = torch.stack([mean, mean.square() + variance, variance]).double() * len(window)
            self._sums = sums if self._sums is None else self._sums + sums
            self.tokens, self.windows = self.tokens + len(window), self.windows + 1

    def sq_mean(self) -> Tensor:
        """Return the mean square of each feature: ``[in]`` fp32."""
        return self._means()[1]

    def mean(self) -> Tensor:
        """Return the mean of each feature: ``[in]`` fp32."""
        return self._means()[0]

    def variance(self) -> Tensor:
        """Return each feature's variance within a window, averaged over windows: ``[in]`` fp32."""
        return self._means()[2]

    @property
    def window_tokens(self) -> float:
        """Mean number of tokens per window."""
        return self.tokens / self.windows

    def _means(self) -> Tensor:
        """Return each feature's mean, mean square and variance: ``[3, in]`` fp32."""
        if self._sums is None:
            raise ValueError("no inputs were added")
        return (self._sums / self.tokens).float()

    def all_reduced(self, ranks: Ranks, layer: LinearLayer) -> Self:
        """Return the moments over the inputs of all ranks; every rank gets the same result.

        Args:
            ranks: the processes.
            layer: the layer; a rank that has added no inputs takes width and device from it.
        """
        total = type(self)()
        total.tokens, total.windows = ranks.sum_of(self.tokens), ranks.sum_of(self.windows)
        if total.tokens:
            total._sums = ranks.all_reduce(or_zeros(self._sums, (3, layer.inputs), layer))
        return total


def or_zeros(sums: Tensor | None, shape: tuple[int, ...], layer: LinearLayer) -> Tensor:
    """Return the sums, or fp64 zeros of this shape if this rank has added no inputs."""
    if sums is not None:
        return sums
    return torch.zeros(shape, dtype=torch.float64, device=layer.weight.device)
