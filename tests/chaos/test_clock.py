"""Clocks that are set, machines that sleep, and parts of the service that freeze."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos.tally import Tally
from tests.clocks import WallClock, can_be_set

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.skipif(not can_be_set(), reason="libfaketime's wheel is not for this machine"),
]


def test_a_changed_clock_or_a_suspended_machine_delays_and_fails_no_job(
    migrated_sqlite_url: str, tmp_path: Path, tally: Tally
) -> None:
    clock = WallClock(tmp_path / "clock")
    command = [sys.executable, "-m", "tests.chaos.clock_program"]
    done = subprocess.run(
        [*command, migrated_sqlite_url, str(tmp_path / "artifacts"), str(clock.file)],
        env=os.environ | clock.environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    tally.fault("clock set or machine suspended", report["faults"])
    tally.check("clock", report["broken"])
    assert tally.violations == []
