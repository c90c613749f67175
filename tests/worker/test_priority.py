"""Only the threads of a worker that compute give way to other processes."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Generator
from contextvars import ContextVar

import pytest

from tests.busy import ON_ONE_CORE, SPINNING, running
from worker.priority import ComputeThread
from worker.pruning.base.generators import run_to_end
from worker.settings import WorkerSettings

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux lowers threads")
MINE = os.getpriority(os.PRIO_PROCESS, 0)  # the tests may have been started at a lower priority
LOWER = MINE + 4
SHARE = """
import json, sys, time
from pathlib import Path
from worker.priority import ComputeThread

def ran_s():
    return int(Path(f"/proc/{sys.argv[1]}/schedstat").read_text().split()[0]) / 1e9

def compute():
    others, mine = ran_s(), time.thread_time()
    while ran_s() - others < 1:
        pass
    return (time.thread_time() - mine) / (ran_s() - others + time.thread_time() - mine)

with ComputeThread(int(sys.argv[2])) as thread:
    thread.lower_priority()
    print(json.dumps(thread.run(compute)))
"""


def niceness() -> int:
    """Return the niceness of the calling thread."""
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def of(thread: threading.Thread) -> int:
    assert thread.native_id is not None
    return os.getpriority(os.PRIO_PROCESS, thread.native_id)


def of_new_thread() -> int:
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(niceness()))
    thread.start()
    thread.join()
    return found[0]


def of_new_process() -> int:
    code = "import os; print(os.getpriority(os.PRIO_PROCESS, 0))"
    return int(subprocess.check_output([sys.executable, "-c", code]))


def test_only_the_thread_that_computes_and_those_that_it_starts_give_way() -> None:
    go_on = threading.Event()
    earlier = threading.Thread(target=go_on.wait)
    of_work = threading.Thread(target=go_on.wait)
    earlier.start()
    with ComputeThread(LOWER) as thread:
        thread.run(of_work.start)  # as OpenMP does, before the priority is lowered
        before = thread.run(niceness)
        for _ in range(2):
            thread.lower_priority()
        assert (before, thread.run(niceness)) == (MINE, LOWER)
        assert thread.run(of_new_thread) == thread.run(of_new_process) == LOWER
        assert (of(earlier), of(of_work)) == (MINE, LOWER)
        assert niceness() == of_new_thread() == of_new_process() == MINE
        go_on.set()


@pytest.mark.parametrize("nice", [0, MINE])
def test_the_lowering_can_be_switched_off_and_raises_no_priority(nice: int) -> None:
    with ComputeThread(nice) as thread:
        thread.lower_priority()
        assert thread.run(niceness) == MINE


def test_a_generator_runs_in_the_thread_to_its_end_and_is_closed_there() -> None:
    variable, threads = ContextVar("variable", default=0), list[str]()

    def count() -> Generator[int, None, str]:
        token = variable.set(7)  # in one context, as spans of a trace need it
        try:
            for number in range(2):
                threads.append(threading.current_thread().name)
                yield number
            return "end"
        finally:
            variable.reset(token)
            threads.append(threading.current_thread().name)

    with ComputeThread(0) as thread:
        seen: list[int] = []
        assert (run_to_end(thread.iterate(count()), seen.append), seen) == ("end", [0, 1])
        unfinished = thread.iterate(count())
        assert next(unfinished) == 0
        unfinished.close()
        assert threads == ["compute_0"] * 5
        with pytest.raises(ZeroDivisionError):
            thread.run(lambda: 1 / 0)


def test_a_thread_that_gives_way_still_gets_a_seventh_of_a_core_beside_a_busy_process() -> None:
    nice = WorkerSettings.model_validate({}).worker_nice
    with running(*ON_ONE_CORE, *SPINNING) as other:
        command = [*ON_ONE_CORE, sys.executable, "-c", SHARE, str(other.pid), str(nice)]
        share = json.loads(subprocess.check_output(command))
    assert 1 / 7 < share < 2 / 5
