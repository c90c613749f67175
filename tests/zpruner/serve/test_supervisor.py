"""The supervisor with real processes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.busy import ON_ONE_CORE, SPINNING, running
from tests.processes import has_ended
from tests.waiting import DEADLINE_S, eventually
from tests.zpruner.serve.children import pid
from zpruner.serve.supervisor import Child, Supervisor

SLEEP = ["sleep", "60"]
STUBBORN = ["sh", "-c", "trap '' TERM; sleep 60 & wait; wait"]
LOGS_ITS_END = (
    "trap 'echo $NAME >> $LOG; exit' TERM; echo ready >> $LOG; while :; do sleep 0.02; done"
)
OWNER = """
import os, sys, time
from zpruner.serve.supervisor import Child
child = Child("sleep", ["sleep", "60"], os.environ)
child.start()
print(child.process.pid, flush=True)
time.sleep(60)
"""


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    supervisor = Supervisor()
    yield supervisor
    supervisor.end()


def test_children_have_groups_of_their_own_in_one_session(supervisor: Supervisor) -> None:
    children = [Child(name, SLEEP, os.environ) for name in ("one", "two")]
    for child in children:
        supervisor.add(child)
    assert {os.getsid(pid(child)) for child in children} == {os.getsid(0)}
    assert [os.getpgid(pid(child)) for child in children] == [pid(child) for child in children]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts waiting")
def test_the_longest_wait_is_that_of_the_child_that_gets_no_processor(
    supervisor: Supervisor,
) -> None:
    assert supervisor.longest_wait_s() == 0
    with running(*ON_ONE_CORE, *SPINNING):
        slow = [*ON_ONE_CORE, "nice", "-n", "10", *SPINNING]
        for name, command in (("sleep", SLEEP), ("slow", slow)):
            supervisor.add(Child(name, command, os.environ))
        eventually(lambda: supervisor.longest_wait_s() > 1)


def test_a_dead_child_is_restarted_after_its_backoff(supervisor: Supervisor) -> None:
    child = Child("sleep", SLEEP, os.environ)
    supervisor.add(child)
    first = pid(child)
    os.kill(first, 9)

    def is_back() -> bool:
        supervisor.check()
        return child.process is not None and child.process.pid != first

    started = time.monotonic()
    eventually(is_back)
    assert time.monotonic() - started > 0.4


def test_the_process_group_of_a_dead_child_is_killed(supervisor: Supervisor) -> None:
    child = Child("parent", ["sh", "-c", "sleep 61 & echo $! >&2; wait"], os.environ)
    supervisor.add(child)
    group = psutil.Process(pid(child))
    eventually(lambda: bool(group.children()))
    grandchild = group.children()[0].pid
    os.kill(pid(child), 9)

    def is_killed() -> bool:
        supervisor.check()
        return has_ended(grandchild)

    eventually(is_killed)


def test_a_child_that_ignores_sigterm_is_killed_after_its_grace_period(
    supervisor: Supervisor,
) -> None:
    child = Child("stubborn", STUBBORN, os.environ, grace_s=0.3)
    supervisor.add(child)
    number = pid(child)
    # Its own child is started after the signal is ignored.
    eventually(lambda: bool(psutil.Process(number).children()))

    process = child.process
    supervisor.end()

    assert process is not None
    assert process.returncode == -signal.SIGKILL
    assert has_ended(number)


def test_children_that_others_need_end_last(supervisor: Supervisor, tmp_path: Path) -> None:
    log = tmp_path / "log"
    for name in ("broker", "worker"):
        env = os.environ | {"NAME": name, "LOG": str(log)}
        supervisor.add(Child(name, ["sh", "-c", LOGS_ITS_END], env, grace_s=DEADLINE_S))
    eventually(lambda: log.exists() and log.read_text().count("ready") == 2)

    supervisor.end(last=1)

    assert log.read_text().split()[2:] == ["worker", "broker"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a parent-death signal")
def test_children_end_with_a_killed_supervisor() -> None:
    owner = subprocess.Popen([sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    with owner.stdout:
        child = int(owner.stdout.readline())
    assert not has_ended(child)

    owner.kill()
    owner.wait()

    eventually(lambda: has_ended(child))


def test_the_output_of_a_child_is_shown_but_for_the_lines_to_omit(
    supervisor: Supervisor, capfd: pytest.CaptureFixture[str]
) -> None:
    prints = ["sh", "-c", "echo WARNING overcommit; echo WARNING disk >&2; echo done; sleep 60"]
    supervisor.add(Child("prints", prints, os.environ, omit=b"overcommit"))
    shown = ""

    def is_done() -> bool:
        nonlocal shown
        shown += capfd.readouterr().err
        return "done" in shown

    eventually(is_done)
    assert sorted(shown.splitlines()) == ["WARNING disk", "done"]
