"""The speed of a machine is stored, and measured again when it is old, doubtful or contradicted."""

import json
import time
from dataclasses import fields, replace
from pathlib import Path

import pytest
import torch

from worker.pruning.base.speed import Speed
from worker.pruning.planning import machine_benchmark
from worker.pruning.planning import measured_speed as module
from worker.pruning.planning.measured_speed import MeasuredSpeed, measured_speed

CPU = torch.device("cpu")
DAY = 24 * 3600.0
IDLE = Speed(*(1e9 for _ in fields(Speed)))
SLOW = Speed(*(1e7 for _ in fields(Speed)))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "data" / "speed.json"


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> list[MeasuredSpeed]:
    """The measurements that the machine will give, one after the other."""
    found: list[MeasuredSpeed] = []

    def measured(*_: object) -> MeasuredSpeed:
        return found.pop(0)

    monkeypatch.setattr(module, "_measured", measured)
    return found


def measurement(speed: Speed, age: float = 0.0, *, was_busy: bool = False) -> MeasuredSpeed:
    at = time.time() - age
    return MeasuredSpeed(speed, at, at, was_busy)


def read(file: Path, *, contradicted: bool = False) -> MeasuredSpeed:
    found = measured_speed(file, CPU, torch.float32, contradicted=contradicted)
    assert found is not None
    return found


def test_a_measured_speed_is_stored(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "benchmark", machine_benchmark.benchmark)  # in this folder
    first = read(file)
    assert min(vars(first.speed).values()) > 0
    stored = file.read_bytes()
    assert read(file) == first
    assert file.read_bytes() == stored
    assert [path.name for path in file.parent.iterdir()] == ["speed.json"]


@pytest.mark.parametrize(
    ("age", "was_busy", "contradicted", "again"),
    [
        (6 * DAY, False, False, False),
        (8 * DAY, False, False, True),
        (-DAY, False, False, True),  # the clock was set back
        (300, True, False, False),
        (900, True, False, True),
        (1800, False, True, False),
        (7200, False, True, True),
    ],
)
def test_a_speed_that_is_old_or_doubtful_is_measured_again(
    age: float,
    was_busy: bool,
    contradicted: bool,
    again: bool,
    file: Path,
    machine: list[MeasuredSpeed],
) -> None:
    machine += [measurement(SLOW, age, was_busy=was_busy), measurement(IDLE)]
    assert read(file).speed == SLOW
    assert read(file, contradicted=contradicted).speed == (IDLE if again else SLOW)


def test_a_busy_machine_does_not_make_a_known_speed_slower(
    file: Path, machine: list[MeasuredSpeed]
) -> None:
    faster = replace(SLOW, calls=2e9)
    machine += [measurement(IDLE, 8 * DAY), measurement(faster, was_busy=True)]
    read(file)
    found = read(file)
    assert (found.speed, found.was_busy) == (replace(IDLE, calls=2e9), True)


def test_an_idle_machine_may_have_become_slower(file: Path, machine: list[MeasuredSpeed]) -> None:
    machine += [measurement(IDLE, 8 * DAY), measurement(SLOW)]
    read(file)
    assert read(file).speed == SLOW


def test_jobs_from_before_a_similar_measurement_still_count(
    file: Path, machine: list[MeasuredSpeed]
) -> None:
    first = measurement(IDLE, 16 * DAY)
    similar = replace(measurement(replace(IDLE, calls=1.2e9), 8 * DAY))
    other = measurement(replace(IDLE, calls=3e9))
    machine += [first, similar, other]
    found = [read(file) for _ in range(3)]
    assert [one.valid_since for one in found] == [first.valid_since] * 2 + [other.valid_since]


def test_each_dtype_has_its_own_speed(file: Path, machine: list[MeasuredSpeed]) -> None:
    machine += [measurement(IDLE), measurement(SLOW)]
    for dtype in (torch.float32, torch.bfloat16):
        measured_speed(file, CPU, dtype)
    assert [", bfloat16," in name for name in json.loads(file.read_text())] == [False, True]


OF_AN_EARLIER_RELEASE = {
    f"{name}, torch": {field.name: 4.9e7 for field in fields(Speed) if field.name != "calls"}
    for name in ("one machine", "another")
}


@pytest.mark.parametrize(
    "content", ["", "[]", '{"a machine": {"parsecs": 12}}', json.dumps(OF_AN_EARLIER_RELEASE)]
)
def test_the_speed_is_measured_again_if_the_file_is_invalid_or_of_an_earlier_release(
    file: Path, content: str, machine: list[MeasuredSpeed]
) -> None:
    machine.append(measurement(IDLE))
    file.parent.mkdir()
    file.write_text(content)
    assert read(file).speed == IDLE
    assert len(json.loads(file.read_text())) == 1


def test_without_a_writable_file_there_is_no_speed(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where a folder should be")
    assert measured_speed(tmp_path / "data" / "speed.json", CPU, torch.float32) is None
