"""The k-th smallest of many numbers, by bounds from a sample."""

import numpy as np
import pytest

from worker.pruning.base.quickselect import Floats, kth_smallest

MANY = 100_003


def normal() -> Floats:
    return np.random.default_rng(0).standard_normal(MANY).astype(np.float32)


def misleading() -> Floats:
    """Return numbers of which a sample at every 61st place sees only large ones."""
    values = normal()
    values[::61] += 100
    return values


@pytest.mark.parametrize("k", [1, 2, 1000, MANY // 2, MANY - 1, MANY])
@pytest.mark.parametrize(
    "values",
    [normal(), np.round(normal()), np.zeros(MANY, np.float32), np.sort(normal()), misleading()],
    ids=["normal", "ties", "all equal", "sorted", "misleading sample"],
)
def test_it_is_the_one_that_a_sort_finds(values: Floats, k: int) -> None:
    assert kth_smallest(values, k) == np.sort(values)[k - 1]


def test_only_the_few_between_the_bounds_are_partitioned(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    partition = np.partition

    def watched(values: Floats, kth: int) -> Floats:
        seen.append(len(values))
        return partition(values, kth)

    monkeypatch.setattr(np, "partition", watched)
    kth_smallest(normal(), MANY // 2)

    assert len(seen) == 1
    assert seen[0] < MANY // 8
