"""Finished jobs correct the times of jobs of their own size, and a few odd ones change little."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from db.jobs.estimates import TimedJob
from worker.estimates.correction import MOST, NO_CORRECTION, contradicts, correction

NOW = datetime(2026, 2, 3, tzinfo=UTC)


def jobs(planned_s: float, ratios: Sequence[float]) -> list[TimedJob]:
    return [TimedJob(planned_s, planned_s * ratio, NOW) for ratio in ratios]


def test_the_factors_are_the_median_and_the_90th_percentile_of_the_ratios() -> None:
    found = correction(30.0, jobs(40.0, [1.0, 1.2, 1.4, 1.6, 1.8, 2.0, 2.2, 2.4, 2.6, 2.8, 3.0]))
    assert (found.p50, found.p90) == pytest.approx((2.0, 2.8))
    assert found.jobs == 11


def test_fifteen_slow_tiny_jobs_do_not_change_the_time_of_a_long_one() -> None:
    tiny = jobs(2.0, [60.0] * 15)
    assert correction(5000.0, tiny) == NO_CORRECTION
    assert correction(5000.0, [*tiny, *jobs(4000.0, [1.5] * 5)]).p50 == 1.5


def test_a_few_jobs_that_were_slowed_down_change_little() -> None:
    usual = [0.9, 1.0, 1.0, 1.1, 1.1, 1.2]
    assert correction(30.0, jobs(30.0, [*usual, 80.0, 200.0])).p50 == pytest.approx(1.1)


@pytest.mark.parametrize(("ratio", "factor"), [(1000.0, MOST), (0.001, 1 / MOST)])
def test_a_correction_is_bounded(ratio: float, factor: float) -> None:
    found = correction(30.0, jobs(30.0, [ratio] * 9))
    assert found.p50 == factor
    assert factor <= found.p90 <= MOST * factor


def test_fewer_than_five_jobs_correct_nothing() -> None:
    assert correction(30.0, jobs(30.0, [3.0] * 4)) == NO_CORRECTION


@pytest.mark.parametrize(
    ("ratios", "contradicting"),
    [
        ([10.0] * 5, True),
        ([0.01] * 5, True),
        ([10.0] * 4, False),
        ([1.0, 1.0, 1.0, 99.0, 99.0], False),
    ],
)
def test_jobs_contradict_a_speed_if_most_differ_by_far(
    ratios: Sequence[float], contradicting: bool
) -> None:
    assert contradicts(jobs(30.0, ratios)) is contradicting
