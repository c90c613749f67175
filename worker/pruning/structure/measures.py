"""How units are measured before a sweep, to choose those that are removed."""

from dataclasses import dataclass, replace
from math import ceil
from typing import Self

from torch import Tensor

from worker.pruning.base.increments import Increment

_ROUNDING = 1e-9


@dataclass(frozen=True)
class Adapt:
    """Adapt-Pruner (arXiv 2502.03460): how strongly the model's loss depends on each unit.

    The other attributes are for blocks that may lose different shares of their units. These shares
    are raised step by step, more where a block changes the hidden state less: in each step, those
    of no block rise by less than 0, or by more than twice their mean.

    Attributes:
        steps: in how many steps at most.
        rise: by how much the mean share rises in each step, until it is the wanted one; None to
            reach it in all steps together.
        windows, tokens: how many windows of how many tokens measure the blocks in each step.
    """

    steps: int = 10
    rise: float | None = None
    windows: int = 64
    tokens: int = 64

    def at(self, increment: Increment) -> Self:
        """Return the part of the measurement that one increment makes."""
        return self if self.rise else replace(self, steps=_own(self.steps, increment))

    def starting(self, start: tuple[float, ...]) -> Self:
        """Return the measurement as it is: it starts from no probabilities."""
        return self

    def steps_to(self, share: float) -> int:
        """Return the number of steps after which the mean share has risen by ``share``."""
        if self.rise is None:
            return self.steps
        return min(ceil(share / self.rise - _ROUNDING), self.steps)


PUBLISHED_ADAPT = Adapt(steps=50, rise=0.02, windows=512)


@dataclass(frozen=True)
class Pgp:
    """Bypass back-propagation (arXiv 2406.10576): learning with which probability a unit is kept.

    Attributes:
        steps: how often the probabilities are changed.
        learning_rate: by how much at first; it falls to 0 along a cosine.
        masks: how many draws of units are tried in each step.
        windows, tokens: on how many windows of how many tokens.
        scored: how many windows measure the scores that the probabilities start from.
        seed: decides the windows and the draws.
        first_step: how many steps earlier increments have made, whose draws are not made again.
        start: the probability of each unit that an earlier search has ended with; None to start
            from scores.
    """

    steps: int = 1000
    learning_rate: float = 1e-2
    masks: int = 2
    windows: int = 2
    tokens: int = 64
    scored: int = 64
    seed: int = 0
    first_step: int = 0
    start: tuple[float, ...] | None = None

    def at(self, increment: Increment) -> Self:
        """Return the part of the measurement that one increment makes."""
        first = increment.reached_before(self.steps)
        return replace(self, steps=_own(self.steps, increment), first_step=first)

    def starting(self, start: tuple[float, ...]) -> Self:
        """Return a search that starts from the probabilities of an earlier one."""
        return replace(self, start=start)


PUBLISHED_PGP = Pgp(15_000, 2e-3, windows=8, tokens=128, scored=1024)
"""As for Llama 2; of 120,000 windows of 128 tokens, and 128 of 1,024 tokens for the start."""

Measure = Adapt | Pgp


@dataclass(frozen=True)
class LastTokens:
    """PTL (arXiv 2602.04919): the channels that are least active on the last tokens of prompts.

    Attributes:
        share: the share of the channels that counts as small, or as large, in each window; as
            published, 12,000 of 14,336.
        prompts: how many windows are prompts.
    """

    share: float = 12_000 / 14_336
    prompts: int = 10


@dataclass(frozen=True)
class UnitMeasuring:
    """The work of measuring units before the sweep, to choose those that are removed.

    Attributes:
        needs_gradients: whether the dense model's gradients are measured.
        passes: how often a few windows run through all blocks.
        models: how many models with other units run in each pass.
        windows, tokens: how many windows of how many tokens run in each pass.
        scored: how many such windows run through the model to score its units.
    """

    needs_gradients: bool
    passes: int = 0
    models: int = 1
    windows: int = 0
    tokens: int = 1
    scored: int = 0

    @property
    def needs_losses(self) -> bool:
        """Whether the loss of each model is measured, not what its blocks change."""
        return self.scored > 0

    @property
    def run_tokens(self) -> int:
        """How many tokens run through each block in all."""
        scored = 2 * self.scored  # once more without the units that the start would remove
        return (self.passes * self.models * self.windows + scored) * self.tokens

    @property
    def stream_tokens(self) -> int:
        """How many hidden states are kept at once, one for each token."""
        copies = self.models + (not self.needs_losses)  # the first inputs are used in each pass
        return max(copies * self.windows, self.scored) * self.tokens


def short_windows(windows: Tensor, tokens: int) -> Tensor:
    """Cut token ids ``[windows, n]`` into windows of ``tokens`` tokens, or of n if that is fewer.

    What is left of a window is dropped.
    """
    length = min(tokens, windows.shape[1])
    each = windows.shape[1] // length
    return windows[:, : each * length].reshape(len(windows) * each, length)


def _own(steps: int, increment: Increment) -> int:
    """Return how many of all steps one increment makes: at least one."""
    return max(1, increment.reached(steps) - increment.reached_before(steps))
