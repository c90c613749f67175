"""One service whose clock is set, whose machine sleeps, and whose parts freeze, all in one life."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import psutil
import pytest

from tests.chaos.tally import Tally
from tests.clocks import WallClock, can_be_set
from tests.e2e.embedded import Service, ends, is_in_the_middle, serving, submit, until, write_inputs
from zpruner import Client, Job

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.chaos,
    pytest.mark.skipif(not can_be_set(), reason="libfaketime's wheel is not for this machine"),
]
WITHIN_S = 180.0
HOURS = (-2, 3, -30, 24 * 40)
PARTS = ("worker.program", "worker.control", "api.program")


class Scene:
    """A service, its clock, and what is broken about it."""

    def __init__(self, service: Service, clock: WallClock, tally: Tally) -> None:
        self.service, self.tally, self._clock = service, tally, clock
        self._offset = timedelta()

    def step(self, hours: float) -> None:
        self._offset += timedelta(hours=hours)
        self._clock.set(self._offset)

    def parts(self) -> dict[str, int]:
        """Return the process of each part."""
        found = {}
        for process in self.service.processes():
            words = process.cmdline()
            for name in PARTS:
                if name in words and process.ppid() == self.supervisor.pid:
                    found[name] = process.pid
        return found

    @property
    def supervisor(self) -> psutil.Process:
        assert self.service.process is not None
        return psutil.Process(self.service.process.pid)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to all processes, the supervisor first."""
        for process in (self.supervisor, *self.service.processes()):
            process.send_signal(number)

    def check(self, client: Client, job: Job, attempts: int) -> None:
        """Note whatever is wrong with a job that lived through faults."""
        ended = client.jobs.wait(job.id, timeout_s=WITHIN_S)
        found = (ended.status, ended.attempt, ends(client, job.id))
        if found != ("succeeded", attempts, ["succeeded"]):
            self.tally.check("service", [f"{job.id} is {found}: {ended.error}"])
        assert self.tally.violations == []


def running(client: Client) -> Job:
    return until(client, submit(client, "slow", samples=16).id, is_in_the_middle, WITHIN_S)


def wait_for(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, tally: Tally) -> Iterator[Scene]:
    inputs, data = tmp_path_factory.mktemp("inputs"), tmp_path_factory.mktemp("d")
    write_inputs(inputs)
    clock = WallClock(data / "clock", looked_at_every_s=1)
    settings = clock.environment() | {"ZPRUNER_BEAT_EVERY_S": "4"}
    with serving(data, inputs, **settings) as service:
        yield Scene(service, clock, tally)


@pytest.fixture
def client(world: Scene) -> Iterator[Client]:
    with Client(world.service.url) as client:
        yield client


def test_a_clock_that_is_set_takes_no_job_from_its_worker_and_keeps_none_waiting(
    world: Scene, client: Client
) -> None:
    before, job = world.parts(), running(client)
    waiting = submit(client, "tiny", samples=2)
    for hours in HOURS:
        world.step(hours)
        world.tally.fault("clock of a service set")
        time.sleep(1.2)  # for libfaketime to look
    world.check(client, job, 1)
    world.check(client, waiting, 1)
    assert world.parts() == before, "a part was taken for frozen"


def test_a_machine_that_sleeps_loses_no_job_and_no_part(world: Scene, client: Client) -> None:
    before, job = world.parts(), running(client)
    for _ in range(3):
        world.signal(signal.SIGSTOP)
        world.step(8)
        time.sleep(1)
        world.signal(signal.SIGCONT)
        world.tally.fault("machine of a service suspended")
        time.sleep(1)
    world.check(client, job, 1)
    assert world.parts() == before, "a part was taken for frozen"


def test_parts_that_freeze_are_started_again_and_their_job_ends_once(
    world: Scene, client: Client
) -> None:
    before, job = world.parts(), running(client)
    assert set(before) == set(PARTS)
    for pid in before.values():
        os.kill(pid, signal.SIGSTOP)
        world.tally.fault("part of a service frozen")
    wait_for(lambda: not set(before.values()) & set(world.parts().values()))
    wait_for(lambda: client_answers(client))
    world.check(client, job, 2)
    assert "was silent for" in world.service.log()


def client_answers(client: Client) -> bool:
    try:
        client.jobs.list(limit=1)
    except Exception:
        return False
    return True
