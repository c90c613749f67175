import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.processes import has_ended
from tests.suite.inner import command, environment, write_tests
from tests.waiting import eventually

pytestmark = pytest.mark.process
SOURCE = """
    import os, subprocess, sys, time
    from pathlib import Path

    def test_that_is_killed(tmp_path):
        sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
        mine = subprocess.Popen(sleep)
        in_own_session = subprocess.Popen(sleep, start_new_session=True)
        without_environment = subprocess.Popen(sleep, env={})
        pids = [os.getpid(), mine.pid, in_own_session.pid, without_environment.pid]
        (tmp_path / "written").touch()
        Path("folder").write_text(str(tmp_path))
        Path("new").write_text(" ".join(map(str, pids)))
        Path("new").rename("pids")
        time.sleep(600)
"""


@contextmanager
def running(folder: Path, *arguments: str) -> Iterator[tuple[psutil.Process, list[int]]]:
    """Run the test; yield the process that leads the run, and the ids of all that it started."""
    write_tests(folder, test_it=SOURCE)
    words = command("leftovers", *arguments)
    quiet = subprocess.DEVNULL
    with subprocess.Popen(words, cwd=folder, env=environment(), stdout=quiet) as process:
        eventually((folder / "pids").exists)
        yield psutil.Process(process.pid), [*map(int, (folder / "pids").read_text().split())]
        process.kill()


@pytest.mark.parametrize("killed", ["leader", "worker"])
def test_a_killed_run_leaves_no_process_and_no_file(tmp_path: Path, killed: str) -> None:
    with running(tmp_path, "-n", "1") as (leader, pids):
        (leader if killed == "leader" else psutil.Process(pids[0])).kill()
        eventually(lambda: all(map(has_ended, pids)))
        written = Path((tmp_path / "folder").read_text(), "written")
        eventually(lambda: not written.exists())


def test_a_killed_run_in_one_process_leaves_none_but_those_that_hide(tmp_path: Path) -> None:
    with running(tmp_path) as (leader, pids):
        leader.kill()
        *found, hidden = pids
        eventually(lambda: all(map(has_ended, found)))
        psutil.Process(hidden).kill()
