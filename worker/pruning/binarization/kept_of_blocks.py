"""How many of each eight neighbours each block keeps, by how much the block matters."""

from collections.abc import Sequence

from worker.pruning.binarization.settings import Binarization

_LEAST_COS = 0.1  # a block that turns its input further matters no more than this
_BISECTIONS = 60


def kept_of_blocks(settings: Binarization, distances: Sequence[float]) -> list[int]:
    """Return how many of each eight neighbours each block keeps.

    As in PBS²P (arXiv:2502.01705), a block matters by 1 / cos of its inputs and outputs. The
    numbers rise in proportion from ``low`` to ``high``, are shifted and limited to this range so
    that their mean is the requested one, and rounded so that it stays: to the nearest number of
    weights in the whole model.

    Args:
        settings: the range and the mean.
        distances: 1 − cos of each block's inputs and outputs in the dense model, the mean over the
            calibration tokens.
    """
    low, high = settings.low, settings.high
    importance = [1 / max(1 - distance, _LEAST_COS) for distance in distances]
    least, most = min(importance), max(importance)
    span = most - least
    wished = [
        low + (high - low) * ((value - least) / span if span else 0.5) for value in importance
    ]
    total = round(settings.kept * len(distances))
    return _rounded(_shifted(wished, total, low, high), total)


def _shifted(wished: Sequence[float], total: int, low: int, high: int) -> list[float]:
    """Add the same to all numbers and limit them, so that their sum is ``total``."""
    below, above = float(low - high), float(high - low)
    limited = list(wished)
    for _ in range(_BISECTIONS):
        shift = (below + above) / 2
        limited = [min(high, max(low, number + shift)) for number in wished]
        if sum(limited) < total:
            below = shift
        else:
            above = shift
    return limited


def _rounded(numbers: Sequence[float], total: int) -> list[int]:
    """Round numbers down, and those with the largest rests up, so that their sum is ``total``."""
    rounded = [int(number) for number in numbers]
    rests = [number - whole for number, whole in zip(numbers, rounded, strict=True)]
    order = sorted(range(len(numbers)), key=lambda index: (-rests[index], index))
    for index in order[: total - sum(rounded)]:
        rounded[index] += 1
    return rounded
