from pathlib import Path

import pytest

from tests.suite.inner import run_tests

pytestmark = pytest.mark.process

SLOW = """
import subprocess, sys

def test_slow():
    subprocess.run([sys.executable, "-c", "sum(range(3 * 10**7))"], check=True)

def test_fast():
    pass
"""


@pytest.mark.parametrize("processes", ["0", "1"])
def test_the_time_of_each_file_and_test_is_written_the_longest_first(
    tmp_path: Path, processes: str
) -> None:
    arguments = ("-n", processes, "--durations-file", "kept/durations.txt")
    run_tests(tmp_path, "durations", *arguments, test_one="def test_any(): pass", test_two=SLOW)
    lines = (tmp_path / "kept" / "durations.txt").read_text().splitlines()
    names = [line.partition(" CPU s ")[2] for line in lines if line]
    assert names[:4] == ["in all", "test_two.py", "test_one.py", "test_two.py::test_slow"]
    assert set(names[4:]) == {"test_one.py::test_any", "test_two.py::test_fast"}
    wall_s, _, cpu_s, *_ = lines[0].split()
    assert float(wall_s) >= 0.05
    assert float(cpu_s) >= 0.05, "the time of a process that a test has started counts"
