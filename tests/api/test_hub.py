"""Names of the hub, looked up before a job is accepted."""

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from api.settings import ApiSettings
from tests.api.metadata import BROKEN, SLOW, serving
from tests.fakes import ListQueue

SMALLEST = {"model": "org/good", "sparsity": 0.5, "dataset": "wikitext2"}


@pytest.fixture(scope="module")
def hub() -> Iterator[str]:
    with serving() as url:
        yield url


@pytest.fixture
def hub_endpoint(hub: str) -> str:
    return hub


@pytest.mark.parametrize(
    ("fields", "field", "code"),
    [
        ({"model": "org/none"}, "model", "model_not_found"),
        ({"model": "org/pickled"}, "model", "pickle_only"),
        ({"model": "org/empty"}, "model", "no_config"),
        ({"model": "org/no-config"}, "model", "no_config"),
        ({"revision": "v9"}, "revision", "revision_not_found"),
        ({"dataset": "org/none"}, "dataset", "dataset_not_found"),
        ({"eval_dataset": "org/none:en"}, "eval_dataset", "dataset_not_found"),
    ],
)
def test_what_the_hub_does_not_have_is_refused_before_a_row(
    client: TestClient, fields: dict[str, str], field: str, code: str
) -> None:
    response = client.post("/v1/jobs", json=SMALLEST | fields)

    problem = response.json()
    assert (response.status_code, problem["code"]) == (422, code)
    assert problem["errors"][0]["pointer"] == f"/{field}"
    assert fields[field].partition(":")[0] in problem["detail"]
    assert problem["hint"]
    assert client.get(problem["type"]).status_code == 200
    assert client.get("/v1/jobs").json()["data"] == []


def test_what_the_hub_has_is_accepted_without_a_warning(client: TestClient) -> None:
    job = SMALLEST | {"revision": "main", "dataset": "org/texts:en"}
    response = client.post("/v1/jobs", json=job)
    assert response.status_code == 201
    assert response.json()["warnings"] == []


@pytest.mark.parametrize("model", [SLOW, BROKEN])
def test_a_hub_that_does_not_answer_well_or_in_time_only_costs_a_warning(
    settings: ApiSettings, queue: ListQueue, model: str
) -> None:
    impatient = settings.model_copy(update={"hub_timeout_s": 0.2})
    with TestClient(create_app(impatient, queue), base_url="http://127.0.0.1") as client:
        response = client.post("/v1/jobs", json=SMALLEST | {"model": model})
    assert response.status_code == 201
    (warning,) = response.json()["warnings"]
    assert model in warning
