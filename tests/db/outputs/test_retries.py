from datetime import timedelta

from db.outputs.retries import ATTEMPTS, DELAYS, retry_delay


def test_delays_grow_and_vary_by_a_tenth() -> None:
    for failures, delay in enumerate(DELAYS, 1):
        assert retry_delay(failures, lambda: 0.0) == 0.9 * delay
        assert retry_delay(failures, lambda: 0.5) == delay
    assert list(DELAYS) == sorted(DELAYS)


def test_there_is_no_delay_after_the_last_attempt() -> None:
    assert ATTEMPTS == 8
    assert retry_delay(ATTEMPTS, lambda: 0.5) is None


def test_a_target_may_ask_for_a_longer_delay_up_to_six_hours() -> None:
    assert retry_delay(1, lambda: 0.5, timedelta(hours=1)) == timedelta(hours=1)
    assert retry_delay(1, lambda: 0.5, timedelta(seconds=1)) == DELAYS[0]
    assert retry_delay(1, lambda: 0.5, timedelta(days=9)) == timedelta(hours=6)
