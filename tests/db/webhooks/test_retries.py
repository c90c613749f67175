from datetime import timedelta

import pytest

from db.webhooks.retries import ATTEMPTS, DELAYS, retry_delay


def middle() -> float:
    return 0.5


def test_ten_attempts_spread_over_three_days_and_then_no_more() -> None:
    waits = [retry_delay(attempt, middle) for attempt in range(1, ATTEMPTS + 1)]
    assert waits == [*DELAYS, None]
    assert ATTEMPTS == 10
    assert waits[:3] == [timedelta(seconds=5), timedelta(minutes=5), timedelta(minutes=30)]


@pytest.mark.parametrize("attempt", range(1, ATTEMPTS))
def test_each_wait_is_a_tenth_shorter_or_longer(attempt: int) -> None:
    shortest, longest = retry_delay(attempt, lambda: 0.0), retry_delay(attempt, lambda: 1.0)
    assert shortest is not None
    assert longest is not None
    assert shortest / DELAYS[attempt - 1] == pytest.approx(0.9)
    assert longest / DELAYS[attempt - 1] == pytest.approx(1.1)


@pytest.mark.parametrize(
    ("wanted", "wait"),
    [
        (timedelta(seconds=1), DELAYS[0]),
        (timedelta(minutes=7), timedelta(minutes=7)),
        (timedelta(days=4000), timedelta(days=1)),
    ],
)
def test_a_receiver_can_ask_for_more_time_but_not_for_more_than_a_day(
    wanted: timedelta, wait: timedelta
) -> None:
    assert retry_delay(1, middle, wanted) == wait


def test_no_more_time_makes_an_attempt_out_of_the_last_one() -> None:
    assert retry_delay(ATTEMPTS, middle, timedelta(hours=1)) is None
