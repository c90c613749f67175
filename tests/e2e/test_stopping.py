"""Stopping leaves no process behind and loses no job."""

import signal
import threading
from pathlib import Path

import httpx
import pytest

from tests.e2e.embedded import REQUEST_S, Service, ends, is_in_the_middle, serving, submit, until
from tests.e2e.limits import ENDS_WITHIN_S
from tests.waiting import DEADLINE_S, eventually
from tests.worker.webhooks.receivers import receiving
from zpruner import Client

pytestmark = pytest.mark.e2e


def test_a_stopped_service_requeues_its_job_and_leaves_no_process(
    data_dir: Path, inputs: Path
) -> None:
    hold = threading.Event()
    settings = {"ZPRUNER_API_WORKERS": "2", "ZPRUNER_WEBHOOK_NETWORKS": "127.0.0.0/8"}
    with (
        serving(data_dir, inputs, **settings) as service,
        Client(service.url) as client,
        receiving(lambda _: hold.wait(DEADLINE_S)) as receiver,
    ):
        job = submit(client, "slow", samples=32)
        until(client, job.id, is_in_the_middle)
        [before] = client.workers.list()

        assert service.stop(signal.SIGTERM) == 0

        wait_until_nothing_is_left(service)
        service.start()
        [after] = client.workers.list()
        assert after.id != before.id
        again = client.jobs.wait(job.id, timeout_s=DEADLINE_S)
        assert (again.status, again.attempt) == ("succeeded", 2)
        assert ends(client, job.id) == ["succeeded"]
        until(client, submit(client, "slow", samples=32).id, is_in_the_middle)
        send_test_message(service, receiver.url)
        eventually(lambda: len(receiver.requests) == 1)
        assert service.stop(signal.SIGINT) == 0  # while the receiver lets it wait
        hold.set()
        wait_until_nothing_is_left(service)
        assert "Traceback" not in service.log()


def send_test_message(service: Service, url: str) -> None:
    """Have a webhook receive a message that nothing else causes."""
    hook = {"url": url, "events": ["job.failed"]}
    made = httpx.post(f"{service.url}/v1/webhooks", json=hook, timeout=REQUEST_S).json()
    address = f"{service.url}/v1/webhooks/{made['id']}/test"
    httpx.post(address, timeout=REQUEST_S).raise_for_status()


def wait_until_nothing_is_left(service: Service) -> None:
    eventually(lambda: service.processes() == [], ENDS_WITHIN_S)
