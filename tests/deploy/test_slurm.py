"""The script for Slurm, with stand-ins for srun and for the worker."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.waiting import DEADLINE_S, eventually

pytestmark = pytest.mark.process
SCRIPT = Path(__file__).parents[2] / "deploy" / "slurm" / "worker.sbatch"
SRUN = '#!/bin/bash\nexec "$@"\n'
ZPRUNER = """#!/bin/bash
if [ "$1" = queues ]; then cat queues.json; exit; fi
own=$(compgen -e | grep -E '^ZPRUNER_(WORKER_QUEUES|IDLE_S|CHECK_EVERY_S)$')
if [ -n "$own" ]; then echo "unknown settings: $own" > log; exit 2; fi
trap 'echo stopped >> log; exit 0' TERM
echo "$@" >> log
while [ ! -e ended ]; do sleep 0.02; done
exit 3
"""
BUSY = [{"name": "gpu", "depth": 0, "running": 1}]
EMPTY = [{"name": "gpu", "depth": 0, "running": 0}, {"name": "cpu", "depth": 9, "running": 0}]


@pytest.fixture
def script(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """The script, while it runs a worker in a folder with its log."""
    for name, text in (("srun", SRUN), ("zpruner", ZPRUNER)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    (tmp_path / "queues.json").write_text(json.dumps(BUSY))
    environment = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "SLURM_JOB_ID": "7",
        "ZPRUNER_CHECK_EVERY_S": "0.05",
        "ZPRUNER_ENV_FILE": "settings",
        "ZPRUNER_IDLE_S": "1",
        "ZPRUNER_URL": "http://127.0.0.1:9",
        "ZPRUNER_WORKER_QUEUES": "gpu,h100",
    }
    process = subprocess.Popen(["bash", SCRIPT], cwd=tmp_path, env=environment, text=True)
    try:
        eventually(lambda: (tmp_path / "log").exists())
        yield process
    finally:
        (tmp_path / "ended").touch()
        process.wait(DEADLINE_S)


def log(folder: Path) -> list[str]:
    return (folder / "log").read_text().splitlines()


def test_the_worker_hands_its_job_back_before_the_time_ends(
    script: subprocess.Popen[str], tmp_path: Path
) -> None:
    script.send_signal(signal.SIGTERM)  # as --signal=B:TERM@120 does
    assert script.wait(DEADLINE_S) == 0
    assert log(tmp_path) == ["part worker -Q gpu,h100 -n slurm-7", "stopped"]


def test_the_worker_ends_when_its_queues_have_been_empty(
    script: subprocess.Popen[str], tmp_path: Path
) -> None:
    (tmp_path / "queues.json").write_text(json.dumps(EMPTY))
    assert script.wait(DEADLINE_S) == 0
    assert log(tmp_path)[1:] == ["stopped"]


def test_the_exit_code_of_a_worker_that_fails_is_that_of_the_script(
    script: subprocess.Popen[str], tmp_path: Path
) -> None:
    (tmp_path / "ended").touch()
    assert script.wait(DEADLINE_S) == 3


def test_the_script_names_a_setting_that_is_missing() -> None:
    environment = {"PATH": os.environ["PATH"], "SLURM_JOB_ID": "7"}
    done = subprocess.run(["bash", SCRIPT], env=environment, capture_output=True, text=True)
    assert done.returncode != 0
    assert "ZPRUNER_ENV_FILE: name a file" in done.stderr
