"""The speed of a machine is measured once."""

import json
from pathlib import Path

import pytest
import torch

from worker.pruning.planning import machine_benchmark
from worker.pruning.planning.machine_benchmark import machine_speed

CPU = torch.device("cpu")


def test_a_measured_speed_is_stored(tmp_path: Path) -> None:
    file = tmp_path / "data" / "speed.json"
    first = machine_speed(file, CPU, torch.float32)
    assert first is not None
    assert min(vars(first).values()) > 0
    stored = file.read_bytes()
    assert machine_speed(file, CPU, torch.float32) == first
    assert file.read_bytes() == stored
    assert [path.name for path in file.parent.iterdir()] == ["speed.json"]


def test_each_dtype_has_its_own_speed(tmp_path: Path) -> None:
    file = tmp_path / "speed.json"
    for dtype in (torch.float32, torch.bfloat16):
        machine_speed(file, CPU, dtype)
    assert [", bfloat16," in name for name in json.loads(file.read_text())] == [False, True]


@pytest.mark.parametrize("content", ["", "[]", '{"a machine": {"parsecs": 12}}'])
def test_the_speed_is_measured_again_if_the_file_is_invalid(tmp_path: Path, content: str) -> None:
    file = tmp_path / "speed.json"
    file.write_text(content)
    speed = machine_speed(file, CPU, torch.float32)
    assert speed in machine_benchmark._read(file).values()


def test_without_a_writable_file_there_is_no_speed(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where a folder should be")
    assert machine_speed(tmp_path / "data" / "speed.json", CPU, torch.float32) is None
