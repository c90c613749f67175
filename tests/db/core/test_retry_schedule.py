from datetime import timedelta

import pytest

from db.core.retry_schedule import RetrySchedule
from db.outputs.sending import RETRIES as OUTPUTS
from db.webhooks.dispatch import RETRIES as WEBHOOKS

SCHEDULES = pytest.mark.parametrize("schedule", [OUTPUTS, WEBHOOKS], ids=["outputs", "webhooks"])


def middle() -> float:
    return 0.5


def test_webhooks_have_ten_attempts_in_three_days_and_outputs_eight_in_half_a_day() -> None:
    assert WEBHOOKS.attempts == 10
    assert sum(WEBHOOKS.delays, timedelta()) < timedelta(days=3.2)
    assert OUTPUTS.attempts == 8
    assert sum(OUTPUTS.delays, timedelta()) < timedelta(hours=12)


@SCHEDULES
def test_delays_grow_and_there_is_none_after_the_last_attempt(schedule: RetrySchedule) -> None:
    delays = [schedule.delay(failures, middle) for failures in range(1, schedule.attempts + 1)]
    assert delays == [*schedule.delays, None]
    assert list(schedule.delays) == sorted(schedule.delays)
    assert schedule.delay(schedule.attempts, middle, timedelta(hours=1)) is None


@SCHEDULES
def test_each_delay_is_up_to_a_tenth_shorter_or_longer(schedule: RetrySchedule) -> None:
    for failures, delay in enumerate(schedule.delays, 1):
        shortest = schedule.delay(failures, lambda: 0.0)
        longest = schedule.delay(failures, lambda: 1.0)
        assert shortest is not None
        assert longest is not None
        assert shortest / delay == pytest.approx(0.9)
        assert longest / delay == pytest.approx(1.1)


@SCHEDULES
def test_a_receiver_can_ask_for_a_longer_delay_up_to_the_longest(schedule: RetrySchedule) -> None:
    assert schedule.delay(1, middle, timedelta(seconds=1)) == schedule.delays[0]
    assert schedule.delay(1, middle, timedelta(minutes=7)) == timedelta(minutes=7)
    assert schedule.delay(1, middle, timedelta(days=4000)) == schedule.longest
