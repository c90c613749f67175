import logging
import threading

import pytest

from worker.control import rounds
from worker.control.rounds import Round


def test_a_call_that_fails_is_logged_and_the_next_one_comes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    calls, enough = [], threading.Event()

    def act() -> None:
        calls.append(1)
        if len(calls) == 3:
            enough.set()
        raise RuntimeError("broken")

    one = Round("made up", act, 0.001)
    with caplog.at_level(logging.WARNING):
        one.start()
        assert enough.wait(30)
        one.stop()
        one.join(30)
    assert "made up failed: broken" in caplog.text


def test_a_call_that_does_not_come_back_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, may_end = threading.Event(), threading.Event()

    def act() -> None:
        begun.set()
        assert may_end.wait(30)

    one = Round("made up", act, 3600)
    assert not one.is_stuck
    one.start()
    assert begun.wait(30)
    assert not one.is_stuck
    monkeypatch.setattr(rounds, "STUCK_AFTER_S", 0.0)
    assert one.is_stuck
    one.stop()
    may_end.set()
    one.join(30)
    assert not one.is_stuck
