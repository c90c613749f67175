"""Frozen children under the supervisor, and children that only seem to be."""

import os
import signal
import sys
import time
from collections.abc import Iterator

import psutil
import pytest

from db.startup.beats import VARIABLE, Beats
from tests.zpruner.serve.test_supervisor import eventually, is_gone, pid
from zpruner.serve.pulse import START_WITHIN_S, Pulse
from zpruner.serve.supervisor import Child, Supervisor

BEATING = [sys.executable, "-c", "from db.startup.beats import Beats\nBeats()._run(0.05)"]


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    supervisor = Supervisor()
    yield supervisor
    supervisor.end()


@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGKILL])
def test_a_child_that_freezes_is_ended_and_started_again_as_one_that_dies(
    supervisor: Supervisor, number: signal.Signals
) -> None:
    child = Child("beating", BEATING, os.environ, silent_after_s=2)
    supervisor.add(child)
    first, pulse = pid(child), child._pulse
    assert pulse is not None
    assert eventually(lambda: pulse._has_beaten or pulse.is_over(), 60)
    os.kill(first, number)

    def is_back() -> bool:
        supervisor.keep()
        return child.process is not None and child.process.pid != first

    assert eventually(is_back, 60)
    assert is_gone(first)


def test_a_child_that_beats_is_left_alone_and_leaves_no_descriptor(supervisor: Supervisor) -> None:
    before = psutil.Process().num_fds()
    child = Child("beating", BEATING, os.environ, silent_after_s=60)
    supervisor.add(child)
    first, until = pid(child), time.monotonic() + 1
    while time.monotonic() < until:
        supervisor.keep()
    assert pid(child) == first
    supervisor.end()
    assert psutil.Process().num_fds() == before


def told(pulse: Pulse) -> None:
    os.write(pulse.write, b".")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pulse(clock: Clock) -> Iterator[Pulse]:
    pulse = Pulse(45, clock)
    yield pulse
    pulse.hand_over()
    pulse.close()


def looks(pulse: Pulse, clock: Clock, seconds: float) -> list[bool]:
    """Look twice a second for so long."""
    found = []
    for _ in range(int(2 * seconds)):
        clock.seconds += 0.5
        found.append(pulse.is_over())
    return found


def test_three_beats_may_be_missed_and_no_more(pulse: Pulse, clock: Clock) -> None:
    told(pulse)
    assert not pulse.is_over()
    assert not any(looks(pulse, clock, 45))
    told(pulse)
    assert not any(looks(pulse, clock, 45))
    assert all(looks(pulse, clock, 2)[1:])


def test_a_start_may_take_longer(pulse: Pulse, clock: Clock) -> None:
    assert not any(looks(pulse, clock, START_WITHIN_S))
    assert looks(pulse, clock, 1)[-1]


@pytest.mark.parametrize("seconds", [46, 3600, 30 * 86_400])
def test_a_supervisor_that_was_suspended_with_its_children_ends_none(
    pulse: Pulse, clock: Clock, seconds: float
) -> None:
    """A control group that is frozen, or a virtual machine, stops no clock but its processes."""
    told(pulse)
    assert not pulse.is_over()
    for _ in range(3):
        clock.seconds += seconds
        assert not pulse.is_over()
        assert not any(looks(pulse, clock, 14))
        told(pulse)
        assert not pulse.is_over()


def test_beats_that_nobody_reads_hold_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    read, write = os.pipe()
    monkeypatch.setenv(VARIABLE, str(write))
    beats = Beats()
    assert VARIABLE not in os.environ
    for _ in range(70_000):
        beats.beat()
    os.close(read)
    beats.beat()
    os.close(write)
