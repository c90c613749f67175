"""The unit tests of the dashboard's TypeScript, as one test beside the others."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.process
def test_the_unit_tests_of_the_page_pass() -> None:
    command = [sys.executable, "-m", "tools.dashboard", "test"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
