"""The load is what the machine does now, held against what it does when idle."""

import os
from dataclasses import fields, replace

import pytest
import torch

from worker.estimates import load
from worker.estimates.load import BUSY, IDLE, Load, measured_load
from worker.pruning.base.speed import Speed

CPU = torch.device("cpu")
SPEED = Speed(*(1e9 for _ in fields(Speed)))


def test_a_load_slows_down_computing_and_calling_but_not_the_disk() -> None:
    slowed = Load(computing=2.0, calling=4.0).slowed(SPEED)
    assert (slowed.factorization, slowed.calls, slowed.reading) == (5e8, 2.5e8, 1e9)


@pytest.mark.parametrize(
    ("rates", "expected"),
    [
        ({"fp32_matmul": 1e9, "calls": 0.9e9}, IDLE),
        ({"fp32_matmul": 2e9, "calls": 2e9}, IDLE),  # faster than it was measured
        ({"fp32_matmul": 0.25e9, "calls": 0.5e9}, Load(4.0, 2.0)),
    ],
)
def test_the_load_is_the_speed_when_idle_over_that_of_now(
    rates: dict[str, float], expected: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load, "sustained", lambda kind, device, seconds: rates[kind])
    assert measured_load(SPEED, CPU, running_jobs=0) == expected


@pytest.mark.parametrize("running", [1, 2])
def test_beside_a_running_job_the_load_is_that_of_all_processes(
    running: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    monkeypatch.setattr(os, "getloadavg", lambda: (5.0 * (cores or 1), 0.0, 0.0))
    assert measured_load(SPEED, CPU, running) == Load(5.0, 5.0)
    monkeypatch.setattr(os, "getloadavg", lambda: (1.0 * (cores or 1), 0.0, 0.0))
    assert measured_load(SPEED, CPU, running) == IDLE


def test_a_machine_that_is_far_slower_than_its_known_speed_is_busy() -> None:
    known = replace(SPEED, fp32_matmul=1e15, calls=1e12)
    found = measured_load(known, CPU, running_jobs=0)
    assert found.is_busy
    assert found.computing > BUSY < found.calling
