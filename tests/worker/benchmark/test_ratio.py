"""Ratios of figures that were measured in pairs."""

from itertools import product

import pytest

from worker.benchmark.ratio import Ratio


def pairs(*ratios: float) -> list[tuple[float, float]]:
    return [(2.0, 2 * ratio) for ratio in ratios]


def test_the_interval_of_nine_pairs_leaves_out_one_at_each_end() -> None:
    ratio = Ratio.of(pairs(1.3, 1.1, 9.0, 1.2, 1.4, 0.1, 1.6, 1.5, 1.7))
    assert (ratio.low, ratio.value, ratio.high) == pytest.approx((1.1, 1.4, 1.7))
    assert ratio.is_above
    assert not ratio.is_below


@pytest.mark.parametrize(("count", "skipped"), [(6, 0), (8, 0), (9, 1), (12, 2)])
def test_the_confidence_is_the_share_of_all_outcomes_whose_interval_holds_the_median(
    count: int, skipped: int
) -> None:
    """Each pair is above (True) or below the true median of 1 with the same probability."""
    outcomes = list(product([False, True], repeat=count))
    held = sum(skipped < sum(outcome) < count - skipped for outcome in outcomes)

    ratio = Ratio.of(pairs(*(1 + number for number in range(count))))

    assert (ratio.low, ratio.high) == (1 + skipped, count - skipped)
    assert ratio.confidence == held / len(outcomes) >= 0.95


def test_five_pairs_have_no_interval() -> None:
    with pytest.raises(ValueError, match="5 pairs have no interval"):
        Ratio.of(pairs(1, 2, 3, 4, 5))


@pytest.mark.parametrize(
    ("ratios", "is_below", "is_above"),
    [
        ([1.0] * 9, False, False),
        ([0.9, 0.9, *[1.1] * 7], False, False),
        ([0.9, *[1.1] * 8], False, True),
        ([1.1, *[0.9] * 8], True, False),
    ],
)
def test_only_an_interval_without_1_is_a_difference(
    ratios: list[float], is_below: bool, is_above: bool
) -> None:
    ratio = Ratio.of(pairs(*ratios))
    assert (ratio.is_below, ratio.is_above) == (is_below, is_above)
