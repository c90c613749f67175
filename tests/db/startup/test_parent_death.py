import os
import signal
import subprocess
import sys

from tests.processes import has_ended
from tests.waiting import eventually

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
        child = int(parent.stdout.readline())
        parent.kill()
        eventually(lambda: has_ended(child))


def test_a_process_whose_parent_has_already_died_exits_at_once() -> None:
    code = "import sys; from db.startup.parent_death import exit_with_parent; "
    code += f"exit_with_parent({os.getpid() + 1}, {int(signal.SIGKILL)}); sys.exit(7)"
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == 1
