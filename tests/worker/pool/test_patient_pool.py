"""A pool kills a process whose start hangs, and none whose start is only slow."""

import sys
import time

import pytest
from billiard.context import SpawnProcess
from kombu.asynchronous import Hub

from db.startup.cpu_time import FairClock, thread_times
from tests.busy import SPINNING, starved_process
from tests.waiting import DEADLINE_S
from worker.pool import patient_pool
from worker.pool.patient_pool import PatientPool


def hub_with_check(process: SpawnProcess, pid: int) -> Hub:
    """Return an event loop in which the pool checks a process that has not reported its start."""
    pool = PatientPool.Pool.__new__(PatientPool.Pool)  # without processes of its own
    pool._waiting_to_start = {process}
    hub = Hub()
    pool._check_start(hub, process, FairClock(pid))
    return hub


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> SpawnProcess:
    monkeypatch.setattr(patient_pool, "START_TIMEOUT_S", 1.0)
    monkeypatch.setattr(patient_pool, "CHECK_EVERY_S", 0.1)
    process = SpawnProcess(target=time.sleep, args=(600,), daemon=True)
    process.start()
    return process


def test_a_process_whose_start_hangs_is_killed(process: SpawnProcess) -> None:
    hub = hub_with_check(process, process.pid)
    deadline = time.monotonic() + DEADLINE_S
    while process.is_alive() and time.monotonic() < deadline:
        hub.fire_timers()
        time.sleep(0.05)
    assert process.exitcode == -9


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts waiting")
def test_a_process_that_waits_for_a_processor_while_it_starts_is_not_killed(
    process: SpawnProcess,
) -> None:
    with starved_process(*SPINNING) as starved:
        hub = hub_with_check(process, starved.pid)
        while thread_times(starved.pid)[starved.pid].wait_s < 3:
            hub.fire_timers()
            time.sleep(0.05)
    assert process.is_alive()
    process.terminate()
    process.join()
