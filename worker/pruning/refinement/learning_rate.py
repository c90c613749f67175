"""The learning rate of a refinement."""

import math

_SMALL, _LARGE = 500e6, 7e9  # parameters of a model
_SMALL_RATE, _LARGE_RATE = 1e-3, 3e-5
_WARM_UP = 0.1  # share of the steps
_LAST = 0.2  # the last rate, as a share of the highest


def default_learning_rate(parameters: int) -> float:
    """Return the default peak learning rate for a model with this many parameters.

    The rate is 1e-3 up to 500 million parameters and 3e-5 from 7 billion on. In between, the
    logarithm of the rate falls linearly with the logarithm of the number of parameters.
    """
    size = min(max(parameters, _SMALL), _LARGE)
    share = math.log(size / _SMALL) / math.log(_LARGE / _SMALL)
    return _SMALL_RATE * math.exp(share * math.log(_LARGE_RATE / _SMALL_RATE))


def scheduled(highest: float, step: int, steps: int) -> float:
    """Return the rate of a step: a linear warm-up, then a cosine decay to a fifth of the peak.

    Args:
        highest: the peak rate, reached at the end of the warm-up.
        step: index of the step, from 0.
        steps: number of steps.
    """
    warm_up = max(1, round(_WARM_UP * steps))
    if step < warm_up:
        return highest * (step + 1) / warm_up
    done = (step - warm_up) / max(1, steps - 1 - warm_up)
    return highest * (_LAST + (1 - _LAST) * (1 + math.cos(math.pi * done)) / 2)
