"""How units are measured before a sweep, to choose those that are removed."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Adapt:
    """Adapt-Pruner (arXiv 2502.03460): how strongly the dense model's loss depends on each unit.

    The other attributes are for blocks that may lose different shares of their units. These shares
    are raised step by step, more where a block changes the hidden state less.

    Attributes:
        steps: in how many steps.
        amplitude: by how much a step's shares of blocks differ at most from their mean.
        windows, tokens: how many windows of how many tokens measure the blocks in each step.
    """

    steps: int = 10
    amplitude: float = 0.1
    windows: int = 64
    tokens: int = 64


PUBLISHED_ADAPT = Adapt(steps=50, amplitude=0.02, windows=512)


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
    """

    steps: int = 128
    learning_rate: float = 2e-3
    masks: int = 2
    windows: int = 8
    tokens: int = 128
    scored: int = 64
    seed: int = 0


Measure = Adapt | Pgp


def short_windows(windows: Tensor, tokens: int) -> Tensor:
    """Cut token ids ``[windows, n]`` into windows of ``tokens`` tokens, or of n if that is fewer.

    What is left of a window is dropped.
    """
    length = min(tokens, windows.shape[1])
    each = windows.shape[1] // length
    return windows[:, : each * length].reshape(len(windows) * each, length)
