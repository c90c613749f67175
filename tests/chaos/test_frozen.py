"""A whole service whose clock is set, and whose machine sleeps."""

import signal
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import psutil
import pytest

from tests.chaos.tally import Tally
from tests.clocks import WallClock, can_be_set
from tests.e2e.embedded import Service, ends, is_in_the_middle, serving, submit, until
from tests.e2e.shared_service import inputs  # noqa: F401 - a fixture
from tests.waiting import DEADLINE_S
from zpruner import Client, Job

pytestmark = [pytest.mark.e2e, pytest.mark.chaos, pytest.mark.timeout(1800)]  # above its waits
HOURS = (-2, 3, -30, 24 * 40)
PARTS = ("worker.program", "worker.control.process", "api.program")


class Scene:
    """A service, and what is broken about it."""

    def __init__(self, service: Service, tally: Tally) -> None:
        self.service, self.tally = service, tally

    def parts(self) -> dict[str, int]:
        """Return the process of each part."""
        found: dict[str, int] = {}
        for process in self.service.processes():
            with suppress(psutil.Error):  # it ends while it is inspected
                words, parent = process.cmdline(), process.ppid()
                mine = [name for name in PARTS if name in words and parent == self.supervisor.pid]
                found |= dict.fromkeys(mine, process.pid)
        return found

    @property
    def supervisor(self) -> psutil.Process:
        assert self.service.process is not None
        return psutil.Process(self.service.process.pid)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to all processes, the supervisor first."""
        for process in (self.supervisor, *self.service.processes()):
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)

    def check(self, client: Client, job: Job, attempts: set[int]) -> None:
        """Note whatever is wrong with a job that lived through faults."""
        ended = client.jobs.wait(job.id, timeout_s=DEADLINE_S)
        found = (ended.status, ends(client, job.id))
        if found != ("succeeded", ["succeeded"]) or ended.attempt not in attempts:
            self.tally.check(
                "service", [f"{job.id} is {found} in attempt {ended.attempt}: {ended.error}"]
            )
        assert self.tally.violations == []


def running(client: Client) -> Job:
    return until(client, submit(client, "slow", samples=32).id, is_in_the_middle, DEADLINE_S)


@pytest.mark.skipif(not can_be_set(), reason="libfaketime's wheel is not for this machine")
def test_a_changed_clock_or_a_suspended_machine_takes_no_job_from_its_worker(
    data_dir: Path,
    inputs: Path,  # noqa: F811 - the fixture
    tally: Tally,
) -> None:
    clock, offset = WallClock(data_dir / "clock", read_every_s=1), timedelta()
    # The library opens a file in each process, with which the fork server does not fork.
    settings = clock.environment() | {"ZPRUNER_FORK_SERVER": "never"}
    settings |= {"PATH": ""}  # the allocator of Debian's redis-server fails under the library
    with serving(data_dir, inputs, **settings) as service:
        scene = Scene(service, tally)
        with Client(service.url) as client:
            before, job = scene.parts(), running(client)
            for hours in HOURS:
                offset += timedelta(hours=hours)
                clock.set(offset)
                tally.fault("clock of a service set")
                time.sleep(1.2)  # for libfaketime to read its file
            for _ in range(3):
                scene.signal(signal.SIGSTOP)
                offset += timedelta(hours=8)
                clock.set(offset)
                scene.signal(signal.SIGCONT)
                tally.fault("machine of a service suspended")
                time.sleep(0.5)
            scene.check(client, job, {1})
            assert scene.parts() == before, "a part was taken for frozen"
