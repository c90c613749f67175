"""Waiting for a processor is told from sleeping, and a slow process from one that is stuck."""

import sys
import threading
import time

import psutil
import pytest

from db.startup.cpu_time import CpuTime, FairClock, longest_wait_s, thread_times, total_between
from tests.busy import SLEEPING, SPINNING, running, starved_process

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts waiting")


def test_a_fair_clock_does_not_count_the_time_in_which_a_process_waits_for_a_processor() -> None:
    with starved_process(*SPINNING) as process:
        began, clock = time.monotonic(), FairClock(process.pid)
        while sum(one.wait_s for one in thread_times(process.pid).values()) < 2:
            time.sleep(0.1)
        assert clock.read() < time.monotonic() - began - 1


def test_a_fair_clock_counts_the_time_in_which_a_process_sleeps() -> None:
    with running(*SLEEPING) as process:
        while psutil.Process(process.pid).status() != psutil.STATUS_SLEEPING:
            time.sleep(0.1)
        began, clock = time.monotonic(), FairClock(process.pid)
        time.sleep(1)
        assert clock.read() > (time.monotonic() - began) / 2


def test_the_times_are_those_of_each_thread_and_of_none_once_the_process_has_ended() -> None:
    with running(*SLEEPING) as process:
        assert list(thread_times(process.pid)) == [process.pid]
    assert thread_times(process.pid) == {}
    assert threading.get_native_id() in thread_times()


def test_threads_that_have_begun_or_ended_in_between_count_as_far_as_they_are_known() -> None:
    before = {1: CpuTime(1, 2), 2: CpuTime(9, 9)}
    after = {1: CpuTime(2, 5), 3: CpuTime(4, 1)}
    assert total_between(before, after) == CpuTime(5, 4)
    assert longest_wait_s(before, after) == 3
    assert longest_wait_s(after, {}) == 0
