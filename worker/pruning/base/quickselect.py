"""Finding the k-th smallest of many numbers."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_SAMPLE_STRIDE = 61  # a prime, so that a sample of a matrix does not follow its columns
_DEVIATIONS = 4.0  # half width of the bounds, in standard deviations of the sample's quantile
_SAMPLED_FROM = 1 << 16  # values; for fewer, sampling costs more than it saves

Floats = NDArray[np.floating]


def kth_smallest(values: Floats, k: int) -> float:
    """Return the k-th smallest of ``values [n]``.

    The values must be finite, and ``k`` must be from 1 to n. If there are many values, a range that
    most likely contains the result is estimated from a sample, and only the values in this range
    are partitioned. If there are few values, or if the range does not contain the result, all
    values are partitioned.
    """
    if len(values) < _SAMPLED_FROM:
        return _partitioned(values, k)
    low, high = _bounds(values, k)
    between = values[(values >= low) & (values <= high)]
    rank = k - int(np.count_nonzero(values < low))
    if 1 <= rank <= len(between):
        return _partitioned(between, rank)
    return _partitioned(values, k)


def kth_smallest_of_rows(values: Tensor, k: int) -> Tensor:
    """Return the k-th smallest value of each row of ``values [rows, n]``, as ``[rows, 1]``."""
    if values.is_cuda:
        return values.kthvalue(k, dim=1, keepdim=True).values
    if len(values) == 1:
        return torch.tensor([[kth_smallest(values[0].numpy(), k)]], dtype=values.dtype)
    # On a CPU numpy's vectorised quickselect takes a tenth of the time of torch's.
    return torch.from_numpy(np.partition(values.numpy(), k - 1, axis=1)[:, k - 1 : k].copy())


def _bounds(values: Floats, k: int) -> tuple[float, float]:
    sample = np.sort(values[::_SAMPLE_STRIDE])
    count, share = len(sample), k / len(values)
    width = _DEVIATIONS * (count * share * (1 - share)) ** 0.5 + 2
    low, high = count * share - width, count * share + width
    return float(sample[max(0, int(low))]), float(sample[min(count - 1, int(high))])


def _partitioned(values: Floats, k: int) -> float:
    return float(np.partition(values, k - 1)[k - 1])
