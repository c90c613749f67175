"""Stopping leaves no process behind, and killed processes lose no job."""

import signal
import threading
from pathlib import Path

import httpx
import pytest

from db.core.session import open_sessions
from tests.e2e.embedded import (
    REQUEST_S,
    WITHIN_S,
    Service,
    ends,
    eventually,
    is_in_the_middle,
    serving,
    submit,
    until,
)
from tests.factories import expire_lease
from tests.processes import job_process, kill_tree
from tests.worker.webhooks.receivers import receiving
from zpruner import Client, Job

pytestmark = pytest.mark.e2e
# A short lease might end while a busy machine pauses its worker, so tests end a long one instead.
CHAOS = {"ZPRUNER_LEASE_S": "600", "ZPRUNER_REAP_EVERY_S": "1"}
ENDS_WITHIN_S = 60.0
"""How long a killed process may take to end after the service has ended."""


def test_a_stopped_service_requeues_its_job_and_leaves_no_process(
    data_dir: Path, inputs: Path
) -> None:
    hold = threading.Event()
    settings = {"ZPRUNER_API_WORKERS": "2", "ZPRUNER_WEBHOOK_NETWORKS": "127.0.0.0/8"}
    with (
        serving(data_dir, inputs, **settings) as service,
        Client(service.url) as client,
        receiving(lambda _: hold.wait(WITHIN_S)) as receiver,
    ):
        job = submit(client, "slow", samples=64)
        until(client, job.id, is_in_the_middle)
        [before] = client.workers.list()

        assert service.stop(signal.SIGTERM) == 0

        assert leaves_nothing(service)
        service.start()
        [after] = client.workers.list()
        assert after.id != before.id
        again = client.jobs.wait(job.id, timeout_s=WITHIN_S)
        assert (again.status, again.attempt) == ("succeeded", 2)
        assert ends(client, job.id) == ["succeeded"]
        until(client, submit(client, "slow", samples=64).id, is_in_the_middle)
        send_test_message(service, receiver.url)
        assert eventually(lambda: len(receiver.requests) == 1)
        assert service.stop(signal.SIGINT) == 0  # while the receiver lets it wait
        hold.set()
        assert leaves_nothing(service)
        assert "Traceback" not in service.log()


def send_test_message(service: Service, url: str) -> None:
    """Have a webhook receive a message that nothing else causes."""
    hook = {"url": url, "events": ["job.failed"]}
    made = httpx.post(f"{service.url}/v1/webhooks", json=hook, timeout=REQUEST_S).json()
    address = f"{service.url}/v1/webhooks/{made['id']}/test"
    httpx.post(address, timeout=REQUEST_S).raise_for_status()


@pytest.mark.chaos
def test_a_killed_worker_is_restarted_and_its_job_ends_exactly_once(
    service: Service, client: Client
) -> None:
    job = submit(client, "slow", samples=32)
    until(client, job.id, is_in_the_middle)

    kill_tree(service.worker())
    lease_ends(service, job.id)

    ended = client.jobs.wait(job.id, timeout_s=WITHIN_S)
    assert (ended.status, ended.attempt) == ("succeeded", 2)
    assert ends(client, job.id) == ["succeeded"]
    assert {path.name for path in (service.data_dir / "artifacts" / job.id).iterdir()} == {"2"}


@pytest.mark.chaos
def test_the_job_of_a_killed_child_runs_again_without_waiting_for_its_lease(
    client: Client,
) -> None:
    job = submit(client, "slow", samples=32)
    running = until(client, job.id, is_in_the_middle)
    assert running.worker is not None

    job_process(running.worker).kill()

    def is_second(job: Job) -> bool:
        return job.attempt == 2 and job.status in {"running", "succeeded"}

    until(client, job.id, is_second)  # the lease lasts twice as long
    assert client.jobs.wait(job.id, timeout_s=WITHIN_S).status == "succeeded"
    assert ends(client, job.id) == ["succeeded"]
    [resumed] = [one for one in client.jobs.events(job.id) if one.kind == "resumed"]
    assert resumed.attempt == 2
    assert resumed.data["resumed_from_block"] >= 1


def leaves_nothing(service: Service) -> bool:
    return eventually(lambda: service.processes() == [], ENDS_WITHIN_S)


def lease_ends(service: Service, job_id: str) -> None:
    """End a job's lease, as if it had lasted long enough."""
    sessions = open_sessions(f"sqlite:///{service.data_dir / 'zpruner.db'}")
    expire_lease(sessions, job_id)
    sessions.kw["bind"].dispose()
