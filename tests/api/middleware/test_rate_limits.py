import pytest

from api.middleware.rate_limits import TokenBuckets


def test_a_bucket_agrees_with_a_simulation_in_small_steps() -> None:
    buckets, level = TokenBuckets(per_minute=120, burst=5), 5.0
    for step in range(1, 600):
        at = step / 128  # as all sums here, exact
        level = min(5.0, level + 2 / 128)
        if step % 9 == 0:  # 14 a second, while 2 flow in
            passes = level >= 1
            level -= passes
            assert (buckets.take("one", at).wait_s == 0) == passes


def test_the_reported_wait_is_just_enough() -> None:
    buckets = TokenBuckets(per_minute=60, burst=1)
    assert buckets.take("one", 0.0).wait_s == 0
    wait = buckets.take("one", 0.25).wait_s
    assert wait == pytest.approx(0.75)
    assert buckets.take("one", 0.25 + wait / 2).wait_s > 0
    assert buckets.take("one", 0.25 + wait + 1e-6).wait_s == 0


def test_an_unused_bucket_holds_no_more_than_its_burst() -> None:
    buckets = TokenBuckets(per_minute=6000, burst=2)
    assert buckets.take("one", 0.0).left == 1
    assert buckets.take("one", 1e6).left == 1


def test_names_have_separate_buckets() -> None:
    buckets = TokenBuckets(per_minute=60, burst=1)
    for number in range(100):
        assert buckets.take(str(number), float(number)).wait_s == 0
    assert buckets.take("99", 99.0).wait_s > 0
