"""A job whose threads wait for a processor far longer than they run says so."""

import os
import sys
import time

import pytest

from db.core.session import Sessions
from db.jobs.repository import JobRepository
from db.startup.cpu_time import CpuTime
from tests.busy import CORE, ON_ONE_CORE, SPINNING, running
from tests.factories import make_job
from tests.worker.conftest import RunnerFactory
from tests.worker.work import work
from worker.attempts import busy_machine
from worker.attempts.busy_machine import BEGINNING, REPEAT_AFTER_S, WINDOW_S, BusyMachine


class Machine:
    """A machine on which one thread runs and waits as a test says."""

    def __init__(self, nice: int = 5) -> None:
        self.seconds, self.time, self.warnings = 0.0, CpuTime(), list[str]()
        self.watch = BusyMachine(
            self.warnings.append,
            nice,
            clock=lambda: self.seconds,
            read_times=lambda: {1: self.time},
        )

    def turn(self, run_s: float, wait_s: float, seconds: float = WINDOW_S) -> None:
        self.seconds += seconds
        self.time = CpuTime(self.time.run_s + run_s, self.time.wait_s + wait_s)
        self.watch.check()


@pytest.mark.parametrize(
    ("run_s", "wait_s", "seconds", "warns"),
    [
        (3, 27, WINDOW_S, True),
        (3, 27, WINDOW_S - 1, False),
        (10, 20, WINDOW_S, False),
        (1, 9, WINDOW_S, False),  # it mostly waited for something else
    ],
)
def test_a_warning_needs_a_long_wait_for_little_work(
    run_s: float, wait_s: float, seconds: float, warns: bool
) -> None:
    machine = Machine()
    machine.turn(run_s, wait_s, seconds)
    assert bool(machine.warnings) == warns


def test_a_warning_has_the_figures_and_the_remedy_and_is_repeated_only_later() -> None:
    machine = Machine()
    for _ in range(int(REPEAT_AFTER_S / WINDOW_S)):
        machine.turn(3, 27)
    [text] = machine.warnings
    assert text == (
        "The machine is busy: in 30 s, the threads of this job ran for 3.0 s and waited 27.0 s for "
        "a processor, which other programs used. The job is faster on a quiet machine or with a "
        "lower ZPRUNER_WORKER_NICE."
    )
    machine.turn(3, 27)
    assert len(machine.warnings) == 2
    quick = Machine(nice=0)
    quick.turn(3, 27)
    assert "ZPRUNER_WORKER_NICE" not in quick.warnings[0]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts waiting")
def test_a_job_beside_a_busy_process_has_the_warning_once_it_has_waited(
    sessions: Sessions, runner: RunnerFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(busy_machine, "WINDOW_S", 1.0)
    monkeypatch.setattr(busy_machine, "LEAST_WAIT_S", 0.5)
    job = make_job(sessions)

    def warnings() -> list[str]:
        with sessions() as session:
            return JobRepository(session).get(job.id).warnings

    def compute(block: int) -> None:
        if block == 0:
            return  # the thread gives way from the end of the first block on
        mine, deadline = os.sched_getaffinity(0), time.monotonic() + 180
        os.sched_setaffinity(0, {CORE})  # of this thread
        while not warnings() and time.monotonic() < deadline:
            until = time.monotonic() + 0.5
            while time.monotonic() < until:
                pass
        os.sched_setaffinity(0, mine)

    with running(*ON_ONE_CORE, *SPINNING):
        runner(work(2, before=compute), worker_nice=19).run(job.id)
    assert len([text for text in warnings() if text.startswith(BEGINNING)]) == 1
