"""Ends what a killed test run has started: run as a program, it waits for the end of a process.

The program holds the other end of a pipe to a process that runs tests, which closes however that
process ends. It then kills what that process has started: its processes are found by a variable
in their environment or, because some overwrite that, by their session. And it deletes the temporary
files, which may be in memory.
"""

import os
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import psutil

from db.startup.parent_death import exit_with_parent

if TYPE_CHECKING:
    import pytest

VARIABLE = "TESTS_OF_PROCESS"
ENDED = b"ended"
"""What a process writes into the pipe at the regular end of its tests."""
FOR_S = 5.0
"""For how long processes are looked for: one may be starting another."""


def pytest_configure(config: "pytest.Config") -> None:
    """Let nothing outlive a process that runs tests, nor such a process the one that leads it."""
    is_of_xdist = hasattr(config, "workerinput")
    if is_of_xdist:
        exit_with_parent()
        os.setsid()
    if is_of_xdist or not config.getoption("numprocesses", None):
        folder = config.getoption("basetemp") if is_of_xdist else None
        program = start(os.getsid(0) if is_of_xdist else 0, folder or "")
        config.add_cleanup(partial(end, program))


def start(session: int, folder: str) -> "subprocess.Popen[bytes]":
    """Start the program for this process, for a session unless it is 0, and for a folder."""
    owner = os.environ[VARIABLE] = f"{os.getpid()}-{time.time_ns()}"
    command = [sys.executable, "-P", "-m", "tests.suite.leftovers", owner, str(session), folder]
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    return subprocess.Popen(command, stdin=subprocess.PIPE, env=environment, start_new_session=True)


def end(program: "subprocess.Popen[bytes]") -> None:
    """Let the program end without killing anything."""
    program.communicate(ENDED)


def kill_all(owner: str, session: int) -> None:
    """Kill all processes with this owner or of this session."""
    until = time.monotonic() + FOR_S
    while (found := left(owner, session)) or time.monotonic() < until:
        for process in found:
            with suppress(psutil.Error):
                process.kill()
        time.sleep(0.2)


def left(owner: str, session: int) -> list[psutil.Process]:
    return [one for one in psutil.process_iter() if is_of(one, owner, session)]


def is_of(process: psutil.Process, owner: str, session: int) -> bool:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        if session and os.getsid(process.pid) == session:
            return True
        return process.environ().get(VARIABLE) == owner
    except (psutil.Error, OSError):  # it has ended, or is another user's
        return False


if __name__ == "__main__":
    if sys.stdin.buffer.read() != ENDED:
        kill_all(sys.argv[1], int(sys.argv[2]))
        if sys.argv[3]:
            shutil.rmtree(sys.argv[3], ignore_errors=True)
