"""Stopping leaves no process behind and loses no job, and neither does a kill."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.chaos.restarts import wait_for_answer
from tests.chaos.tally import Tally
from tests.e2e.embedded import (
    FEW_WINDOWS,
    REQUEST_S,
    SPEC,
    Service,
    ends,
    is_in_the_middle,
    serving,
    submit,
    until,
)
from tests.e2e.limits import ENDS_WITHIN_S
from tests.processes import has_ended
from tests.waiting import DEADLINE_S, eventually
from tests.worker.webhooks.receivers import receiving
from zpruner import Client, Job

pytestmark = [pytest.mark.e2e, pytest.mark.chaos, pytest.mark.timeout(1800)]  # above its waits
SETTINGS = {
    "ZPRUNER_API_WORKERS": "2",
    "ZPRUNER_LEASE_S": "86400",
    "ZPRUNER_WEBHOOK_NETWORKS": "127.0.0.0/8",
}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, inputs: Path) -> Iterator[Service]:
    """A service that each test leaves running, but for the last one."""
    with serving(tmp_path_factory.mktemp("d"), inputs, **SETTINGS) as service:
        yield service


@pytest.fixture
def client(service: Service) -> Iterator[Client]:
    with Client(service.url) as client:
        yield client


def test_a_stopped_service_requeues_its_job_and_leaves_no_process(
    service: Service, client: Client
) -> None:
    job = running_beside_an_estimator(service, client, 0.51)
    [before] = client.workers.list()

    assert service.stop(signal.SIGTERM) == 0

    wait_until_nothing_is_left(service)
    service.start()
    [after] = client.workers.list()
    assert after.id != before.id
    again = client.jobs.wait(job.id, timeout_s=DEADLINE_S)
    assert (again.status, again.attempt) == ("succeeded", 2)
    assert ends(client, job.id) == ["succeeded"]
    assert "Traceback" not in service.log()


def test_a_killed_service_leaves_no_process_and_releases_its_leases_and_port(
    service: Service, client: Client, tmp_path_factory: pytest.TempPathFactory, tally: Tally
) -> None:
    job = running_beside_an_estimator(service, client, 0.52)
    before = service.processes()
    service.stop(signal.SIGKILL)
    tally.fault("service killed with kill -9")
    service.start()  # at once: whatever is still dying is waited for
    assert all(has_ended(process.pid) for process in before)

    # The lease would last for a day.
    until(client, job.id, is_second)
    for api in service.processes("api.program"):
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


def test_a_service_that_is_interrupted_waits_for_no_receiver_and_no_job(
    service: Service, client: Client
) -> None:
    hold, lines = threading.Event(), len(service.log_lines())
    with receiving(lambda _: hold.wait(DEADLINE_S)) as receiver:
        until(client, submit(client, "slow", samples=32).id, is_in_the_middle)
        send_test_message(service, receiver.url)
        eventually(lambda: len(receiver.requests) == 1)
        assert service.stop(signal.SIGINT) == 0  # while the receiver lets it wait
        hold.set()
    wait_until_nothing_is_left(service)
    assert "Traceback" not in "\n".join(service.log_lines()[lines:])


def running_beside_an_estimator(service: Service, client: Client, sparsity: float) -> Job:
    """Return a job in the middle of its work, while every kind of process runs.

    Args:
        sparsity: that of an estimate, which would be answered from memory if it was not new.
    """
    client.estimate("local:tiny", timeout_s=DEADLINE_S, **SPEC | {"sparsity": sparsity})
    eventually(lambda: len(service.estimators()) == 1)
    job = submit(client, "slow", samples=FEW_WINDOWS)
    return until(client, job.id, is_in_the_middle)


def is_second(job: Job) -> bool:
    return job.attempt == 2 and job.status in {"running", "succeeded"}


def start_beside(url: str, data: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "zpruner", "serve", "--port", url.rpartition(":")[2]]
    env = {name: value for name, value in os.environ.items() if not name.startswith("ZPRUNER_")}
    env["ZPRUNER_DATA_DIR"] = str(data)
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=DEADLINE_S)


def is_refused(done: subprocess.CompletedProcess[str]) -> bool:
    return (done.returncode, done.stdout) == (2, "") and "in use" in done.stderr


def send_test_message(service: Service, url: str) -> None:
    """Have a webhook receive a message that nothing else causes."""
    hook = {"url": url, "events": ["job.failed"]}
    made = httpx.post(f"{service.url}/v1/webhooks", json=hook, timeout=REQUEST_S).json()
    address = f"{service.url}/v1/webhooks/{made['id']}/test"
    httpx.post(address, timeout=REQUEST_S).raise_for_status()


def wait_until_nothing_is_left(service: Service) -> None:
    eventually(lambda: service.processes() == [], ENDS_WITHIN_S)
