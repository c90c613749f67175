import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import delete, update

from api.app import create_app
from api.core.settings import ApiSettings
from api.services import readiness
from db.core.clock import now
from db.core.session import Sessions
from db.scheduling.control_heartbeat import HeartbeatRepository
from db.tables.heartbeats import Heartbeat
from tests.api.live import serving
from tests.fakes import ListQueue
from tests.waiting import DEADLINE_S


@pytest.fixture(autouse=True)
def control(sessions: Sessions) -> None:
    """A control process that has just sent a heartbeat."""
    with sessions.begin() as session:
        HeartbeatRepository(session).record()


def test_the_liveness_probe_succeeds_while_other_parts_are_down(
    client: TestClient, queue: ListQueue
) -> None:
    queue.is_up = False
    assert client.get("/healthz").json() == {"status": "ok"}


def test_ready_names_the_workers(client: TestClient) -> None:
    assert client.get("/readyz").json() == {"status": "ready", "workers": ["gpu@test"]}


def test_a_silent_broker_is_503_without_its_address(client: TestClient, queue: ListQueue) -> None:
    queue.is_up = False
    response = client.get("/readyz")
    assert (response.status_code, response.json()["code"]) == (503, "not_ready")
    assert response.headers["retry-after"] == "5"
    assert response.json()["retryable"] is True
    assert "broker" in response.json()["detail"]
    assert "secret-host" not in response.text


def test_no_worker_is_503(client: TestClient, queue: ListQueue) -> None:
    queue.names = []
    response = client.get("/readyz")
    assert response.status_code == 503
    assert "worker" in response.json()["detail"]


@pytest.mark.parametrize("ago_s", [50, -50])
def test_a_control_process_that_has_been_silent_is_503(
    client: TestClient, sessions: Sessions, ago_s: float
) -> None:
    with sessions.begin() as session:
        session.execute(update(Heartbeat).values(at=now(-timedelta(seconds=ago_s))))
    response = client.get("/readyz")
    assert response.status_code == 503
    assert "control process has been silent for" in response.json()["detail"]


def test_a_control_process_that_never_was_is_503(client: TestClient, sessions: Sessions) -> None:
    with sessions.begin() as session:
        session.execute(delete(Heartbeat))
    assert "never" in client.get("/readyz").json()["detail"]


def test_a_database_without_tables_is_503(settings: ApiSettings, queue: ListQueue) -> None:
    empty = settings.model_copy(update={"database_url": None})
    app: FastAPI = create_app(empty, queue)
    with TestClient(app, base_url="http://127.0.0.1") as client:
        response = client.get("/readyz")
    assert response.status_code == 503
    assert "database" in response.json()["detail"]


def test_a_store_that_cannot_be_written_to_is_503(
    client: TestClient, settings: ApiSettings
) -> None:
    settings.artifact_dir.parent.mkdir(parents=True, exist_ok=True)
    settings.artifact_dir.write_bytes(b"no folder")
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["detail"] == "The artifact store does not respond."


def test_to_ask_leaves_nothing_in_the_store(client: TestClient, settings: ApiSettings) -> None:
    assert client.get("/readyz").status_code == 200
    assert list(settings.artifact_dir.iterdir()) == []


class SlowQueue(ListQueue):
    """Its workers are asked for a while, and how often is counted."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.may_answer = 0, threading.Event()

    def workers(self, expected: int) -> list[str]:
        self.asked += 1
        self.may_answer.wait()
        return super().workers(expected)


def test_a_caller_with_many_requests_delays_no_other(
    settings: ApiSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "CACHED_FOR_S", 600)  # some requests may arrive late
    queue = SlowQueue()
    with serving(create_app(settings, queue)) as url, ThreadPoolExecutor(60) as pool:
        answers = [pool.submit(httpx.get, f"{url}/readyz", timeout=DEADLINE_S) for _ in range(60)]
        deadline = time.monotonic() + DEADLINE_S
        while not queue.asked:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        try:
            assert httpx.get(f"{url}/v1/jobs", timeout=60).status_code == 200
        finally:
            queue.may_answer.set()
        assert {answer.result().status_code for answer in answers} == {200}
    assert queue.asked == 1


class SetClock:
    """A monotonic clock that a test sets."""

    def __init__(self) -> None:
        self.at_s = 1000.0

    def monotonic(self) -> float:
        return self.at_s


def test_an_answer_is_not_kept_for_long(
    client: TestClient, queue: ListQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert readiness.CACHED_FOR_S <= 5
    clock = SetClock()
    monkeypatch.setattr(readiness, "time", clock)
    assert client.get("/readyz").status_code == 200
    queue.is_up = False
    clock.at_s += 0.9 * readiness.CACHED_FOR_S
    assert client.get("/readyz").status_code == 200
    clock.at_s += 0.2 * readiness.CACHED_FOR_S
    assert client.get("/readyz").status_code == 503
    queue.is_up = True
    clock.at_s += 0.3  # that a part is missing is kept for less time
    assert client.get("/readyz").status_code == 200
