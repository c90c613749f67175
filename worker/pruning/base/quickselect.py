"""The k-th smallest of many numbers."""

import numpy as np
from numpy.typing import NDArray

_STRIDE = 61  # a prime: a sample of a matrix should not follow its columns
_SURE = 4.0  # standard deviations of a sample's quantile
_MANY = 1 << 16  # numbers from which a sample is worth its time

Floats = NDArray[np.floating]


def kth_smallest(values: Floats, k: int) -> float:
    """Return the k-th smallest of ``values [n]``, finite numbers, ``1 <= k <= n``.

    A sample tells between which bounds it lies; those outside are counted, and only the few
    between are partitioned. Where the sample misled, all are.
    """
    if len(values) < _MANY:
        return _partitioned(values, k)
    low, high = _bounds(values, k)
    between = values[(values >= low) & (values <= high)]
    rank = k - int(np.count_nonzero(values < low))
    if 1 <= rank <= len(between):
        return _partitioned(between, rank)
    return _partitioned(values, k)


def _bounds(values: Floats, k: int) -> tuple[float, float]:
    sample = np.sort(values[::_STRIDE])
    count, share = len(sample), k / len(values)
    reach = _SURE * (count * share * (1 - share)) ** 0.5 + 2
    low, high = count * share - reach, count * share + reach
    return float(sample[max(0, int(low))]), float(sample[min(count - 1, int(high))])


def _partitioned(values: Floats, k: int) -> float:
    return float(np.partition(values, k - 1)[k - 1])
