"""The priority that a worker's processes have."""

import os
import subprocess
import sys

from worker.priority import NICE

PROGRAM = """
import os, subprocess, sys
from worker.priority import lower_priority
lower_priority()
lower_priority()
print(os.getpriority(os.PRIO_PROCESS, 0))
child = "import os; print(os.getpriority(os.PRIO_PROCESS, 0))"
subprocess.run([sys.executable, "-c", child], check=True)
"""


def niceness(*prefix: str) -> list[int]:
    command = [*prefix, sys.executable, "-u", "-c", PROGRAM]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [int(line) for line in done.stdout.split()]


def test_a_worker_lowers_the_priority_of_itself_and_its_children_once() -> None:
    mine = os.getpriority(os.PRIO_PROCESS, 0)  # the tests may have been started at a lower one
    assert niceness() == [max(mine, NICE)] * 2


def test_a_lower_priority_set_by_the_user_is_kept() -> None:
    lower = 15 - os.getpriority(os.PRIO_PROCESS, 0)
    assert niceness("nice", "-n", str(lower)) == [15, 15]
