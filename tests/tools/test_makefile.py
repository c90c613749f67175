"""Two makes in one checkout: one installs, the other waits and finds it done."""

import subprocess
import sys
from pathlib import Path

from tests.waiting import DEADLINE_S
from tools.lock import ROOT

PYTHON = f"""#!{sys.executable}
import sys, time
if sys.argv[1:3] == ["-m", "pip"]:
    with open("calls", "a") as calls:
        print("begin", " ".join(sys.argv[3:]), file=calls, flush=True)
        time.sleep(0.5)
        print("end", file=calls, flush=True)
"""
"""In place of the environment's Python: it writes down what it is to install."""


def test_of_two_makes_that_start_together_each_step_is_installed_by_one(tmp_path: Path) -> None:
    for name in ("pyproject.toml", "requirements/constraints.txt", ".venv/bin/python"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(PYTHON)
    (tmp_path / ".venv/bin/python").chmod(0o755)
    command = ["make", "-f", str(ROOT / "Makefile"), ".venv/.installed-demo"]
    makes = [
        subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) for _ in range(2)
    ]
    errors = [make.communicate(timeout=DEADLINE_S)[1] for make in makes]
    assert [make.returncode for make in makes] == [0, 0], errors
    assert any("Waiting for another make" in error for error in errors)
    calls = (tmp_path / "calls").read_text().splitlines()
    assert [line.split(" --")[0] for line in calls] == ["begin install", "end"] * 2
