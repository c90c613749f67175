import os
import signal
import subprocess
import sys
import time

import psutil

from tests.processes import has_ended

PARENT = """
import subprocess, sys, time
code = "import time; from db.startup.parent_death import exit_with_parent; "
code += "exit_with_parent(); print('ready', flush=True); time.sleep(600)"
child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
time.sleep(600)
"""


def test_a_child_is_killed_when_its_parent_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
        assert _has_ended(child, within_s=60)


def test_a_process_whose_parent_has_already_died_exits_at_once() -> None:
    code = "import sys; from db.startup.parent_death import exit_with_parent; "
    code += f"exit_with_parent({os.getpid() + 1}, {int(signal.SIGKILL)}); sys.exit(7)"
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == 1


def _has_ended(process: psutil.Process, within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if has_ended(process.pid):
            return True
        time.sleep(0.01)
    return False
