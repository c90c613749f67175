"""The k-th smallest of many numbers is found with bounds from a sample."""

import numpy as np
import pytest

from worker.pruning.base.quickselect import Floats, kth_smallest

MANY = 100_003


def normal() -> Floats:
    return np.random.default_rng(0).standard_normal(MANY).astype(np.float32)


def misleading() -> Floats:
    """Return numbers whose every 61st, which the sample consists of, is large."""
    values = normal()
    values[::61] += 100
    return values


@pytest.mark.parametrize("k", [1, 2, 1000, MANY // 2, MANY - 1, MANY])
@pytest.mark.parametrize(
    "values",
    [normal(), np.round(normal()), np.zeros(MANY, np.float32), np.sort(normal()), misleading()],
    ids=["normal", "ties", "all equal", "sorted", "misleading sample"],
)
def test_it_is_the_number_at_that_index_of_the_sorted_values(values: Floats, k: int) -> None:
    assert kth_smallest(values, k) == np.sort(values)[k - 1]


def test_only_values_between_the_bounds_are_partitioned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lengths: list[int] = []
    partition = np.partition

    def recorded(values: Floats, kth: int) -> Floats:
        lengths.append(len(values))
        return partition(values, kth)

    monkeypatch.setattr(np, "partition", recorded)
    kth_smallest(normal(), MANY // 2)

    assert len(lengths) == 1
    assert lengths[0] < MANY // 8
