import logging
import threading

import pytest

from tests.waiting import DEADLINE_S
from worker.control import periodic_task
from worker.control.periodic_task import PeriodicTask


def test_a_failed_call_is_logged_and_followed_by_the_next(
    caplog: pytest.LogCaptureFixture,
) -> None:
    calls, enough = [], threading.Event()

    def act() -> None:
        calls.append(1)
        if len(calls) == 3:
            enough.set()
        raise RuntimeError("broken")

    task = PeriodicTask("made up", act, 0.001)
    with caplog.at_level(logging.WARNING):
        task.start()
        assert enough.wait(DEADLINE_S)
        task.stop()
        task.join(DEADLINE_S)
    assert "made up failed: broken" in caplog.text


def test_a_call_that_does_not_return_is_stuck(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, may_end = threading.Event(), threading.Event()

    def act() -> None:
        begun.set()
        assert may_end.wait(DEADLINE_S)

    task = PeriodicTask("made up", act, 3600)
    assert not task.is_stuck
    task.start()
    assert begun.wait(DEADLINE_S)
    assert not task.is_stuck
    monkeypatch.setattr(periodic_task, "STUCK_AFTER_S", 0.0)
    assert task.is_stuck
    task.stop()
    may_end.set()
    task.join(DEADLINE_S)
    assert not task.is_stuck
