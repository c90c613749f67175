"""The load is how much slower the machine is now than when it is idle."""

from dataclasses import fields, replace

import pytest
import torch

from worker.estimates import load
from worker.estimates.load import BUSY, IDLE, Load, measured_load, running_threads
from worker.pruning.base.speed import Speed

CPU = torch.device("cpu")
SPEED = Speed(*(1e9 for _ in fields(Speed)))


def test_a_load_slows_down_computing_and_calling_but_not_the_disk() -> None:
    slowed = Load(computing=2.0, calling=4.0).slowed(SPEED)
    assert (slowed.factorization, slowed.calls, slowed.reading) == (5e8, 2.5e8, 1e9)


@pytest.mark.parametrize(
    ("rates", "threads", "expected"),
    [
        ({"fp32_matmul": 1e9, "calls": 0.9e9}, 1, IDLE),
        ({"fp32_matmul": 2e9, "calls": 2e9}, 2, IDLE),  # faster than it was measured
        ({"fp32_matmul": 0.25e9, "calls": 0.5e9}, 1, Load(4.0, 2.0)),
        ({"fp32_matmul": 0.1e9, "calls": 1e9}, 9, Load(10.0, 4.5)),
        ({"fp32_matmul": 1e9, "calls": 1e9}, 9, Load(4.5, 4.5)),
    ],
)
def test_the_load_is_that_of_the_speed_now_or_of_the_threads_on_each_processor(
    rates: dict[str, float], threads: int, expected: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load, "sustained", lambda kind, device, seconds: rates[kind])
    monkeypatch.setattr(load, "running_threads", lambda: threads)
    monkeypatch.setattr(load, "_processors", lambda: 2)
    assert measured_load(SPEED, CPU, running_jobs=0) == expected


@pytest.mark.parametrize(("threads", "expected"), [(3, IDLE), (11, Load(5.0, 5.0))])
def test_beside_a_running_job_only_threads_count(
    threads: int, expected: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load, "sustained", lambda *_: 1.0)
    monkeypatch.setattr(load, "running_threads", lambda: threads)
    monkeypatch.setattr(load, "_processors", lambda: 2)
    assert measured_load(SPEED, CPU, running_jobs=1) == expected


def test_this_thread_is_among_those_that_run() -> None:
    assert running_threads() >= 1


def test_a_machine_that_is_far_slower_than_its_known_speed_is_busy() -> None:
    known = replace(SPEED, fp32_matmul=1e15, calls=1e12)
    found = measured_load(known, CPU, running_jobs=0)
    assert found.is_busy
    assert found.computing > BUSY < found.calling
