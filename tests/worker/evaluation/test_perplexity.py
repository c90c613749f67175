"""Intervals of perplexities."""

import math
import random
import sys

import pytest

from worker.evaluation.perplexity import perplexity_interval


def test_the_interval_holds_the_true_perplexity_in_95_of_100_texts() -> None:
    draw = random.Random(1)
    texts = [[draw.gauss(3.0, 0.4) for _ in range(40)] for _ in range(2000)]
    intervals = [perplexity_interval(losses) or (0.0, 0.0) for losses in texts]
    share = sum(low <= math.exp(3.0) <= high for low, high in intervals) / len(intervals)
    assert share == pytest.approx(0.95, abs=0.02)


def test_equal_windows_have_an_interval_without_width() -> None:
    assert perplexity_interval([2.0] * 5) == pytest.approx((math.exp(2.0), math.exp(2.0)))


@pytest.mark.parametrize("losses", [[], [1.0]])
def test_fewer_than_two_windows_have_no_interval(losses: list[float]) -> None:
    assert perplexity_interval(losses) is None


def test_the_interval_of_a_useless_model_is_finite() -> None:
    ends = perplexity_interval([0.0, 1400.0])
    assert ends is not None
    assert ends[1] == pytest.approx(sys.float_info.max)
