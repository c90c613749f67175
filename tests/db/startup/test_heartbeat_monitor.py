"""Frozen children are restarted; suspended machines are not taken for frozen children."""

import gc
import os
import signal
import sys
import time
from collections.abc import Iterator

import psutil
import pytest

from db.startup.cpu_time import thread_times
from db.startup.heartbeat_monitor import START_WITHIN_S, HeartbeatMonitor
from db.startup.heartbeat_pipe import HEARTBEAT_VARIABLE, HeartbeatPipe
from tests.busy import SLEEPING, SPINNING, running, starved_process
from tests.processes import has_ended
from tests.waiting import eventually
from tests.zpruner.serve.children import pid
from zpruner.serve.supervisor import Child, Supervisor

BEATING = [
    sys.executable,
    "-c",
    "from db.startup.heartbeat_pipe import HeartbeatPipe\nHeartbeatPipe()._run(0.05)",
]


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
def test_a_frozen_child_is_restarted_like_a_dead_one(
    supervisor: Supervisor, number: signal.Signals
) -> None:
    child = Child("beating", BEATING, os.environ, silent_after_s=2)
    supervisor.add(child)
    first, monitor = pid(child), child._monitor
    assert monitor is not None
    eventually(lambda: monitor._has_started or monitor.has_timed_out())
    os.kill(first, number)

    def is_back() -> bool:
        supervisor.check()
        return child.process is not None and child.process.pid != first

    eventually(is_back)
    assert has_ended(first)


def test_a_child_that_sends_heartbeats_keeps_running_and_leaves_no_descriptor(
    supervisor: Supervisor,
) -> None:
    gc.collect()  # it would otherwise close files of earlier tests during this one
    before = psutil.Process().num_fds()
    child = Child("beating", BEATING, os.environ, silent_after_s=60)
    supervisor.add(child)
    first, until = pid(child), time.monotonic() + 1
    while time.monotonic() < until:
        supervisor.check()
    assert pid(child) == first
    supervisor.end()
    eventually(lambda: psutil.Process().num_fds() <= before)


def send_heartbeat(monitor: HeartbeatMonitor) -> None:
    os.write(monitor.write, b".")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def monitor(clock: Clock) -> Iterator[HeartbeatMonitor]:
    monitor = HeartbeatMonitor(45, clock)
    yield monitor
    os.close(monitor.write)
    monitor.close()


def check_for(monitor: HeartbeatMonitor, clock: Clock, seconds: float) -> list[bool]:
    """Check twice a second."""
    found = []
    for _ in range(int(2 * seconds)):
        clock.seconds += 0.5
        found.append(monitor.has_timed_out())
    return found


def test_a_child_may_miss_three_heartbeats_but_not_more(
    monitor: HeartbeatMonitor, clock: Clock
) -> None:
    send_heartbeat(monitor)
    assert not monitor.has_timed_out()
    assert not any(check_for(monitor, clock, 45))
    send_heartbeat(monitor)
    assert not any(check_for(monitor, clock, 45))
    assert all(check_for(monitor, clock, 2)[1:])


def test_a_child_may_take_longer_to_start(monitor: HeartbeatMonitor, clock: Clock) -> None:
    assert not any(check_for(monitor, clock, START_WITHIN_S))
    assert check_for(monitor, clock, 1)[-1]


@pytest.mark.parametrize("seconds", [46, 3600, 30 * 86_400])
def test_a_supervisor_that_was_suspended_with_its_children_kills_none(
    monitor: HeartbeatMonitor, clock: Clock, seconds: float
) -> None:
    """A frozen control group or virtual machine stops its processes, but not the clock."""
    send_heartbeat(monitor)
    assert not monitor.has_timed_out()
    for _ in range(3):
        clock.seconds += seconds
        assert not monitor.has_timed_out()
        assert not any(check_for(monitor, clock, 14))
        send_heartbeat(monitor)
        assert not monitor.has_timed_out()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts waiting")
def test_a_child_that_waits_for_a_processor_is_not_frozen() -> None:
    monitor = HeartbeatMonitor(1)
    with starved_process(*SPINNING) as child:
        send_heartbeat(monitor)
        monitor.watch(child.pid)
        assert not monitor.has_timed_out()  # and from now on, none comes
        while thread_times(child.pid)[child.pid].wait_s < 3:
            time.sleep(0.1)
            monitor.has_timed_out()
        assert monitor.silent_s > 2
        assert not monitor.has_timed_out()
    with running(*SLEEPING) as child:
        monitor._pid = child.pid
        assert monitor.has_timed_out()
    monitor.close()


def test_heartbeats_that_are_not_read_do_not_block(monkeypatch: pytest.MonkeyPatch) -> None:
    read, write = os.pipe()
    monkeypatch.setenv(HEARTBEAT_VARIABLE, str(write))
    heartbeats = HeartbeatPipe()
    assert HEARTBEAT_VARIABLE not in os.environ
    for _ in range(70_000):
        heartbeats.beat()
    os.close(read)
    heartbeats.beat()
    os.close(write)
