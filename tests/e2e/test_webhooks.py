"""Webhooks of the whole service: each signed event arrives, even if processes are killed."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import httpx
import pytest
from standardwebhooks.webhooks import Webhook as Verifier

from db.core.session import Sessions, open_sessions
from tests.e2e.embedded import REQUEST_S, Service, is_in_the_middle, submit, until
from tests.factories import expire_lease
from tests.processes import job_process, kill_tree, suspend
from tests.waiting import DEADLINE_S, eventually
from tests.worker.webhooks import messages
from tests.worker.webhooks.receivers import Receiver, receiving, saying
from zpruner import Client

pytestmark = pytest.mark.e2e


@pytest.fixture
def sessions(service: Service) -> Iterator[Sessions]:
    sessions = open_sessions(f"sqlite:///{service.data_dir / 'zpruner.db'}")
    yield sessions
    sessions.kw["bind"].dispose()


def listen(service: Service, receiver: Receiver, *events: str) -> tuple[str, Verifier]:
    """Create a webhook; return its URL and a verifier of its signatures."""
    hook = {"url": receiver.url, "events": events}
    made = httpx.post(f"{service.url}/v1/webhooks", json=hook, timeout=REQUEST_S)
    assert made.status_code == 201, made.text
    return f"{service.url}/v1/webhooks/{made.json()['id']}", Verifier(made.json()["secret"])


def received_events(receiver: Receiver, verifier: Verifier) -> dict[str, dict[str, Any]]:
    """Return the received events by id, after checking that an id has one content only."""
    events: dict[str, dict[str, Any]] = {}
    for request in list(receiver.requests):
        event = verifier.verify(request.body, request.headers)
        message_id = request.headers["webhook-id"]
        assert events.setdefault(message_id, event) == event
        assert event["id"] == message_id
    return events


def types(receiver: Receiver, verifier: Verifier) -> list[str]:
    return sorted(event["type"] for event in received_events(receiver, verifier).values())


def test_a_webhook_is_notified_when_a_job_runs_and_when_it_succeeds(
    service: Service, client: Client
) -> None:
    with receiving() as receiver:
        address, verifier = listen(service, receiver, "job.running", "job.succeeded")
        job = client.jobs.wait(submit(client, "tiny", samples=4).id, timeout_s=DEADLINE_S)
        eventually(lambda: len(receiver.requests) == 2, DEADLINE_S)
        assert types(receiver, verifier) == ["job.running", "job.succeeded"]
        eventually(lambda: len(deliveries(address, "?status=delivered")) == 2)
        httpx.delete(address, timeout=REQUEST_S)
    for event in received_events(receiver, verifier).values():
        assert event["subject"] == job.id
    (ended,) = (
        one
        for one in received_events(receiver, verifier).values()
        if one["type"] == "job.succeeded"
    )
    assert ended["data"]["job"]["metrics"]["sparsity"] == pytest.approx(0.5, abs=1e-3)
    sent = [request.headers["webhook-id"] for request in receiver.requests]
    # A result is logged after it was stored.
    eventually(lambda: all(logged(service, message_id) for message_id in sent))
    for message_id in sent:
        (line,) = logged(service, message_id)
        assert json.loads(line)["message"].endswith(": 204")


def logged(service: Service, message_id: str) -> list[str]:
    """Return the lines of the log about a message."""
    return [line for line in service.log_lines() if message_id in line]


def deliveries(address: str, query: str = "") -> list[dict[str, Any]]:
    """Return the messages to a webhook."""
    found: list[dict[str, Any]] = httpx.get(
        f"{address}/deliveries{query}", timeout=REQUEST_S
    ).json()["data"]
    return found


def test_a_test_message_arrives_soon(service: Service) -> None:
    with receiving() as receiver:
        address, verifier = listen(service, receiver, "job.failed")
        assert httpx.post(f"{address}/test", timeout=REQUEST_S).status_code == 202
        eventually(lambda: len(receiver.requests) == 1, DEADLINE_S)
        assert types(receiver, verifier) == ["webhook.test"]
        httpx.delete(address, timeout=REQUEST_S)


@pytest.mark.chaos
def test_each_event_arrives_with_one_id_even_if_processes_are_killed(
    service: Service, client: Client, sessions: Sessions
) -> None:
    first = threading.Lock()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        if first.acquire(blocking=False):  # kill the sender while it waits for this response
            for process in service.processes("worker.control.process"):
                kill_tree(process)
        saying(204)(handler)

    with receiving(answer) as receiver:
        address, verifier = listen(service, receiver, "job.running", "job.succeeded")
        job = submit(client, "slow", samples=32)
        eventually(lambda: len(receiver.requests) == 1, DEADLINE_S)
        running = until(client, job.id, is_in_the_middle, DEADLINE_S)
        assert running.worker is not None
        # so that the job does not end before it is killed
        suspend([job_process(running.worker)], service.data_dir)
        messages.make_due(sessions)  # as if a minute had passed
        eventually(lambda: len(receiver.requests) == 2, DEADLINE_S)
        assert types(receiver, verifier) == ["job.running"]
        kill_tree(service.worker())
        expire_lease(sessions, job.id)

        ended = client.jobs.wait(job.id, timeout_s=DEADLINE_S)

        assert (ended.status, ended.attempt) == ("succeeded", 2)
        everything = ["job.running", "job.running", "job.succeeded"]
        eventually(lambda: types(receiver, verifier) == everything, DEADLINE_S)
        noted = deliveries(address)
        httpx.delete(address, timeout=REQUEST_S)
    assert {one["id"] for one in noted} == set(received_events(receiver, verifier))
    attempts = sorted(
        json.loads(request.body)["data"]["job"]["attempt"] for request in receiver.requests
    )
    assert attempts == [1, 1, 2, 2]
