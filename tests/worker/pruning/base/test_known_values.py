"""Values in files: damaged files, those of others and those that were not used for long."""

import os
import time
from pathlib import Path

import pytest

from worker.pruning.base import known_values
from worker.pruning.base.known_values import MOST_AGE_S, delete_unused, read_value, write_value

VALUE = {"scores": [0.1, 1e-300, 3], "none": None}


def test_a_value_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "digest.json"
    assert read_value(path) is None
    write_value(path, VALUE)
    assert read_value(path) == VALUE
    assert list(path.parent.iterdir()) == [path]
    write_value(path, [1])
    assert read_value(path) == [1]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'{"sha256": "00", "val',
        b"\xff\xfe",
        b"[]",
        b"{}",
        b'{"losses": [0.0]}',
        b'{"sha256": "00", "value": [1]}',
    ],
)
def test_a_damaged_file_has_no_value_and_can_be_written_again(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "digest.json"
    path.write_bytes(content)
    assert read_value(path) is None
    write_value(path, VALUE)
    assert read_value(path) == VALUE


def test_a_changed_number_and_the_file_of_another_measurement_are_no_value(tmp_path: Path) -> None:
    path, other = tmp_path / "digest.json", tmp_path / "other.json"
    write_value(path, VALUE)
    other.write_bytes(path.read_bytes())
    assert read_value(other) is None
    path.write_text(path.read_text().replace("0.1", "0.2"))
    assert read_value(path) is None


def test_what_a_killed_writer_leaves_is_no_value(tmp_path: Path) -> None:
    path = tmp_path / "digest.json"
    write_value(path, VALUE)
    path.rename(tmp_path / "digest.x1y2")  # as complete as it can be, without its name
    assert read_value(path) is None


def test_files_are_deleted_that_were_not_used_for_long(tmp_path: Path) -> None:
    now = time.time()
    used, unused, left = (tmp_path / name for name in ("a.json", "b.json", "b.x1y2"))
    write_value(used, VALUE)
    write_value(unused, VALUE)
    left.touch()
    for path in (used, unused, left):
        os.utime(path, (now - MOST_AGE_S - 60,) * 2)
    read_value(used)
    (tmp_path / "folder").mkdir()
    delete_unused(tmp_path, now, ".json", known_values.MOST_BYTES)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "folder"]


def test_above_the_bound_those_go_first_that_were_not_used_for_longest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [tmp_path / f"{number}.json" for number in range(4)]
    for age, path in enumerate(paths):
        write_value(path, VALUE)
        os.utime(path, (time.time() - 3600 + age,) * 2)
    read_value(paths[0])
    monkeypatch.setattr(known_values, "MOST_BYTES", int(2.5 * paths[0].stat().st_size))
    write_value(tmp_path / "new.json", VALUE)
    assert {path.name for path in tmp_path.iterdir()} == {"0.json", "new.json"}
