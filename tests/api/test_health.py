from fastapi import FastAPI
from fastapi.testclient import TestClient

from api.app import create_app
from api.settings import ApiSettings
from tests.fakes import ListQueue


def test_a_living_process_says_so_whatever_else_is_down(
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


def test_a_database_without_tables_is_503(settings: ApiSettings, queue: ListQueue) -> None:
    empty = settings.model_copy(update={"database_url": None})
    app: FastAPI = create_app(empty, queue)
    with TestClient(app, base_url="http://127.0.0.1") as client:
        response = client.get("/readyz")
    assert response.status_code == 503
    assert "database" in response.json()["detail"]
