"""Names of models and texts in buckets, checked before a job is accepted."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from api.core.settings import ApiSettings
from db.core.session import Sessions
from tests.api.conftest import NO_HUB
from tests.bucket_server import put_objects
from tests.factories import make_key
from tests.fakes import ListQueue
from tests.proxy import Proxy, proxying
from tests.waiting import DEADLINE_S

VALUE = "AKIACALLER:canary.of-the-caller"
"""Long enough for a busy machine: without a timeout, a request would wait for ever."""


@pytest.fixture
def url(s3_server: str, bucket_url: str) -> str:
    """The URL of models and texts in a bucket."""
    good = {"config.json": b"{}", "model.safetensors": b""}
    files = {f"good/{name}": content for name, content in good.items()}
    files |= {"pickled/config.json": b"{}", "pickled/pytorch_model.bin": b"x"}
    files |= {"empty/README.md": b"", "a.jsonl": b'{"text": "a"}\n', "b.jsonl": b'{"text": "b"}\n'}
    put_objects(s3_server, bucket_url, files)
    return bucket_url


@pytest.fixture
def settings(settings: ApiSettings, url: str) -> ApiSettings:
    return settings.model_copy(update={"input_urls": (url, "s3://zpruner-missing")})


@pytest.fixture
def proxy(s3_server: str, url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    with proxying(s3_server) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        yield proxy


def job(url: str, **names: str) -> dict[str, Any]:
    """Make a request; a name without a scheme is below the URL."""
    fields = {"model": "good", "dataset": "a.jsonl"} | names
    inputs = ("model", "dataset", "eval_dataset")
    return {"sparsity": 0.5} | {
        field: f"{url}/{name}" if field in inputs and ":" not in name else name
        for field, name in fields.items()
    }


def test_a_model_and_texts_in_an_allowed_bucket_are_accepted_without_a_planner(
    client: TestClient, url: str
) -> None:
    response = client.post("/v1/jobs", json=job(url, eval_dataset="b.jsonl"))
    assert response.status_code == 201, response.text
    assert response.json()["spec"]["model"] == f"{url}/good"
    (warning,) = response.json()["warnings"]
    assert "no control process is running" in warning


@pytest.mark.parametrize(
    ("fields", "field", "code"),
    [
        ({"model": "none"}, "model", "model_not_found"),
        ({"model": "s3://zpruner-missing/a"}, "model", "model_not_found"),
        ({"model": "pickled"}, "model", "pickle_only"),
        ({"model": "empty"}, "model", "no_config"),
        ({"model": "../good"}, "model", "invalid_name"),
        ({"model": "s3://zpruner-private/a"}, "model", "input_not_allowed"),
        ({"revision": "main"}, "revision", "revision_of_a_folder"),
        ({"dataset": "none.txt"}, "dataset", "dataset_not_found"),
        ({"eval_dataset": "none.txt"}, "eval_dataset", "dataset_not_found"),
        ({"dataset": "s3://zpruner-private/a.txt"}, "dataset", "input_not_allowed"),
        ({"model_secret": "none"}, "model_secret", "secret_not_found"),
    ],
)
def test_what_cannot_be_read_is_refused_with_field_value_and_remedy(
    client: TestClient, url: str, fields: dict[str, str], field: str, code: str
) -> None:
    request = job(url, **fields)
    response = client.post("/v1/jobs", json=request)

    problem = response.json()
    assert (response.status_code, problem["code"]) == (422, code)
    assert problem["errors"][0]["pointer"] == f"/{field}"
    assert request[field] in problem["detail"]
    assert problem["hint"]
    assert client.get(problem["type"]).status_code == 200
    assert client.get("/v1/jobs").json()["data"] == []


def test_the_secret_of_the_same_key_signs_for_the_model_and_the_service_for_the_text(
    guarded: TestClient, sessions: Sessions, url: str, proxy: Proxy
) -> None:
    ours, theirs = ({"authorization": f"Bearer {make_key(sessions)[1]}"} for _ in range(2))
    guarded.put("/v1/secrets/bucket", json={"value": VALUE}, headers=ours)
    request = job(url, model_secret="bucket")
    refused = guarded.post("/v1/jobs", json=request, headers=theirs)
    assert (refused.status_code, refused.json()["code"]) == (422, "secret_not_found")
    assert proxy.requests == []

    accepted = guarded.post("/v1/jobs", json=request, headers=ours)

    assert accepted.status_code == 201, accepted.text
    signers = [one["authorization"].partition("/")[0].partition("=")[2] for one in proxy.headers]
    assert signers == ["AKIACALLER", "key"]
    assert "canary" not in accepted.text


def test_a_secret_that_is_no_access_key_is_refused_without_its_value(
    client: TestClient, url: str
) -> None:
    client.put("/v1/secrets/bucket", json={"value": "hf_canary-of-the-hub"})
    refused = client.post("/v1/jobs", json=job(url, model_secret="bucket"))
    assert (refused.status_code, refused.json()["code"]) == (422, "secret_format")
    assert "ACCESS_KEY_ID:SECRET_ACCESS_KEY" in refused.json()["hint"]
    assert "canary" not in refused.text


def test_a_bucket_that_denies_access_is_refused_at_submit(
    client: TestClient, url: str, proxy: Proxy
) -> None:
    proxy.add("GET", "list-type", 403)
    refused = client.post("/v1/jobs", json=job(url))
    assert (refused.status_code, refused.json()["code"]) == (422, "bucket_denied")


def test_a_bucket_that_does_not_respond_costs_a_warning_and_little_time(
    settings: ApiSettings, queue: ListQueue, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", NO_HUB)
    impatient = settings.model_copy(update={"hub_timeout_s": 0.2})
    with TestClient(create_app(impatient, queue), base_url="http://127.0.0.1") as client:
        response = client.post("/v1/jobs", json=job(url))
    assert response.status_code == 201
    warnings = response.json()["warnings"]
    assert [one.split()[0] for one in warnings] == ["model", "dataset"]
    assert all("could not be read" in one for one in warnings)
    assert response.elapsed.total_seconds() < DEADLINE_S
