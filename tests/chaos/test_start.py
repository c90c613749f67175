"""What a start finds: a service that was killed, or one that runs."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos.restarts import wait_for_answer
from tests.chaos.tally import Tally
from tests.e2e.embedded import ends, is_in_the_middle, serving, submit, until
from tests.e2e.shared_service import inputs  # noqa: F401 - a fixture
from tests.processes import has_ended
from tests.waiting import DEADLINE_S, eventually
from zpruner import Client, Job

pytestmark = [pytest.mark.e2e, pytest.mark.chaos, pytest.mark.timeout(1800)]  # above its waits
NEVER = {"ZPRUNER_LEASE_S": "86400"}


def test_a_killed_service_leaves_no_process_and_releases_its_leases_and_port(
    tmp_path_factory: pytest.TempPathFactory,
    inputs: Path,  # noqa: F811 - the fixture
    tally: Tally,
) -> None:
    data = tmp_path_factory.mktemp("d")
    with serving(data, inputs, **NEVER) as service, Client(service.url) as client:
        job = submit(client, "slow", samples=32)
        until(client, job.id, is_in_the_middle)
        before = service.processes()
        service.stop(signal.SIGKILL)
        tally.fault("service killed with kill -9")
        service.start()  # at once: whatever is still dying is waited for
        assert all(has_ended(process.pid) for process in before)

        # The lease would last for a day.
        until(client, job.id, is_second)
        [api] = service.processes("api.program")
        api.kill()  # the hardest moment: no process listens on the port
        tally.fault("API process killed")
        done = start_beside(service.url, tmp_path_factory.mktemp("d"))
        tally.fault("second service started on the same port")
        tally.check("second service", [] if is_refused(done) else [done.stdout + done.stderr])
        wait_for_answer(client)
        eventually(lambda: client.jobs.get(job.id).status == "succeeded")
        if (finals := ends(client, job.id)) != ["succeeded"]:
            tally.check("service killed with kill -9", [f"{job.id} ended as {finals}"])
    assert tally.violations == []


def is_second(job: Job) -> bool:
    return job.attempt == 2 and job.status in {"running", "succeeded"}


def start_beside(url: str, data: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "zpruner", "serve", "--port", url.rpartition(":")[2]]
    env = {name: value for name, value in os.environ.items() if not name.startswith("ZPRUNER_")}
    env["ZPRUNER_DATA_DIR"] = str(data)
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=DEADLINE_S)


def is_refused(done: subprocess.CompletedProcess[str]) -> bool:
    return (done.returncode, done.stdout) == (2, "") and "in use" in done.stderr
