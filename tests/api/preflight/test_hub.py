"""Names of the hub, checked before a job is accepted."""

import socket
from collections.abc import Iterator
from contextlib import suppress

import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from api.core.settings import ApiSettings
from api.preflight import hub as api_hub
from db.core.session import Sessions
from tests.api.conftest import NO_HUB
from tests.factories import make_key
from tests.fakes import ListQueue
from tests.hub import Hub
from tests.waiting import DEADLINE_S

SMALLEST = {"model": "org/good", "sparsity": 0.5, "dataset": "wikitext2"}
"""Long enough for a busy machine: without a timeout, a request would wait for ever."""


@pytest.fixture(scope="module")
def hub() -> Iterator[Hub]:
    with Hub() as hub:
        hub.add_model("org/good", {"config.json": b"{}", "model.safetensors": b""})
        hub.add_model("org/pickled", {"config.json": b"{}", "pytorch_model.bin": b""})
        hub.add_model("org/unweighted", {"config.json": b"{}"})
        hub.add_model("org/empty", {"README.md": b""})
        hub.add_model("org/gated", {"config.json": b"{}"}, gated=True)
        files = {"config.json": b"{}", "model.safetensors": b""}
        hub.add_model("org/private", files, token="hf_secret")
        hub.add_dataset("org/texts", {"train.jsonl": b""})
        yield hub


@pytest.fixture
def hub_endpoint(hub: Hub) -> str:
    return hub.url


@pytest.fixture
def mute_server() -> Iterator[socket.socket]:
    """A server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


@pytest.fixture
def mute(mute_server: socket.socket) -> str:
    """Its URL."""
    return f"http://127.0.0.1:{mute_server.getsockname()[1]}"


def arrived(server: socket.socket) -> int:
    """Return how many connections have arrived since the last call."""
    count = 0
    with suppress(BlockingIOError):
        while True:
            server.accept()[0].close()
            count += 1
    return count


@pytest.mark.parametrize(
    ("fields", "field", "code"),
    [
        ({"model": "org/none"}, "model", "model_not_found"),
        ({"model": "org/pickled"}, "model", "pickle_only"),
        ({"model": "org/unweighted"}, "model", "no_weights"),
        ({"model": "org/empty"}, "model", "no_config"),
        ({"model": "org/gated"}, "model", "hub_denied"),
        ({"model": "org/private"}, "model", "model_not_found"),
        ({"revision": "v9"}, "revision", "revision_not_found"),
        ({"dataset": "org/none"}, "dataset", "dataset_not_found"),
        ({"dataset": "wikitxt2"}, "dataset", "dataset_not_found"),
        ({"eval_dataset": "org/none:en"}, "eval_dataset", "dataset_not_found"),
    ],
)
def test_a_name_that_the_hub_does_not_have_is_refused_before_a_job_is_created(
    client: TestClient, fields: dict[str, str], field: str, code: str
) -> None:
    response = client.post("/v1/jobs", json=SMALLEST | fields)

    problem = response.json()
    assert (response.status_code, problem["code"]) == (422, code)
    assert problem["errors"][0]["pointer"] == f"/{field}"
    assert fields[field].partition(":")[0] in problem["detail"]
    assert problem["hint"]
    is_guessed = "Did you mean wikitext2?" in problem["hint"]
    assert is_guessed == (fields.get("dataset") == "wikitxt2")
    assert client.get(problem["type"]).status_code == 200
    assert client.get("/v1/jobs").json()["data"] == []


def test_a_model_of_the_hub_is_accepted_without_a_planner(
    client: TestClient,
) -> None:
    job = SMALLEST | {"revision": "main", "dataset": "org/texts:en"}
    response = client.post("/v1/jobs", json=job)
    assert response.status_code == 201
    (warning,) = response.json()["warnings"]
    assert warning.startswith("The model was not checked: no control process is running.")


def test_a_private_model_is_accepted_with_a_secret_of_the_same_key_only(
    guarded: TestClient, sessions: Sessions
) -> None:
    ours, theirs = ({"authorization": f"Bearer {make_key(sessions)[1]}"} for _ in range(2))
    job = SMALLEST | {"model": "org/private", "model_secret": "hf"}
    guarded.put("/v1/secrets/hf", json={"value": "hf_secret"}, headers=ours)
    for path in ("/v1/jobs", "/v1/estimates", "/v1/jobs?dry_run=true"):
        refused = guarded.post(path, json=job, headers=theirs)
        assert (refused.status_code, refused.json()["code"]) == (422, "secret_not_found"), path
    sweep = {name: job[name] for name in job if name != "sparsity"} | {"grid": {"sparsity": [0.5]}}
    assert guarded.post("/v1/sweeps", json=sweep, headers=theirs).status_code == 422
    assert guarded.post("/v1/sweeps", json=sweep, headers=ours).status_code == 201
    accepted = guarded.post("/v1/jobs", json=job, headers=ours)
    assert (accepted.status_code, accepted.json()["spec"]["model_secret"]) == (201, "hf")
    rerun = f"/v1/jobs/{accepted.json()['id']}/rerun"
    assert guarded.post(rerun, headers=ours).status_code == 201
    assert guarded.post(rerun, headers=theirs).json()["code"] == "secret_not_found"


def test_a_secret_with_a_wrong_token_is_refused(client: TestClient) -> None:
    client.put("/v1/secrets/hf", json={"value": "hf_another"})
    job = SMALLEST | {"model": "org/private", "model_secret": "hf"}
    refused = client.post("/v1/jobs", json=job)
    assert (refused.status_code, refused.json()["code"]) == (422, "model_not_found")
    assert "hf_another" not in refused.text
    local = client.post("/v1/jobs", json=job | {"model": "local:tiny"})
    assert "model_secret 'hf': a local model needs no token" in local.json()["detail"]


def test_a_hub_that_does_not_respond_costs_a_warning_and_little_time(
    settings: ApiSettings, queue: ListQueue, mute: str
) -> None:
    for endpoint in (NO_HUB, mute):
        impatient = settings.model_copy(update={"hub_timeout_s": 0.2, "hf_endpoint": endpoint})
        with TestClient(create_app(impatient, queue), base_url="http://127.0.0.1") as client:
            response = client.post("/v1/jobs", json=SMALLEST)
        assert response.status_code == 201
        (warning,) = response.json()["warnings"]
        assert "org/good was not checked" in warning
        assert endpoint in warning
        assert response.elapsed.total_seconds() < DEADLINE_S


def test_after_a_failure_the_hub_gets_no_request_for_a_while(
    settings: ApiSettings, queue: ListQueue, mute: str, mute_server: socket.socket
) -> None:
    impatient = settings.model_copy(update={"hub_timeout_s": 0.5, "hf_endpoint": mute})
    app = create_app(impatient, queue)
    three = SMALLEST | {"dataset": "org/texts", "eval_dataset": "org/others"}
    with TestClient(app, base_url="http://127.0.0.1") as client:
        first = client.post("/v1/jobs", json=three)
        assert arrived(mute_server) > 0
        second = client.post("/v1/jobs", json=three)
        assert arrived(mute_server) == 0
        assert [len(one.json()["warnings"]) for one in (first, second)] == [3, 3]
        assert "did not respond a moment ago" in second.json()["warnings"][0]


def test_a_hub_that_recovers_gets_requests_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_hub, "PAUSE_AFTER_FAILURE_S", 0.0)
    asked = api_hub.Hub(NO_HUB, 0.2)
    with pytest.raises(api_hub.HubUnreachableError):
        asked.model_files("org/good", None)
    with pytest.raises(api_hub.HubUnreachableError, match="ConnectError"):
        asked.model_files("org/good", None)
