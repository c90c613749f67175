"""Tasks are looked up before a job is created, and the workers' extras with them."""

from importlib.metadata import version
from typing import Any

import pytest
from fastapi.testclient import TestClient

from db.core.session import Sessions
from db.scheduling.workers import WorkerRepository
from tests.factories import make_worker

JOB = {"model": "org/model", "sparsity": 0.5, "dataset": "wikitext2"}
HARNESS = {"eval": version("lm_eval")}


def start(sessions: Sessions, name: str, **fields: Any) -> None:
    with sessions.begin() as session:
        WorkerRepository(session).register(make_worker(name, **fields))


def submit(client: TestClient, *tasks: str, path: str = "/v1/jobs") -> Any:
    return client.post(path, json=JOB | {"tasks": tasks})


def warnings(response: Any) -> list[str]:
    assert response.status_code in {200, 201, 202}, response.text
    found = response.json().get("warnings", [])  # an estimate has none before it is ready
    return [one for one in found if "asks" in one or "Harness" in one]


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/jobs?dry_run=true", "/v1/estimates"])
def test_a_task_that_does_not_exist_is_refused_with_a_similar_one(
    path: str, client: TestClient, sessions: Sessions
) -> None:
    start(sessions, "one", extras=HARNESS)
    refused = submit(client, "boolq", "arc_eazy", path=path)
    problem = refused.json()
    assert (refused.status_code, problem["code"]) == (422, "unusable_task")
    assert problem["errors"][0]["pointer"] == "/tasks"
    assert "arc_eazy" in problem["detail"]
    assert problem["hint"].startswith("Did you mean arc_easy? ")
    assert warnings(submit(client, "wanda7", "boolq", path=path)) == []


def test_a_queue_whose_workers_lack_the_extra_takes_no_tasks(
    client: TestClient, sessions: Sessions
) -> None:
    start(sessions, "one", extras={"gpu": "1"})
    start(sessions, "other queue", extras=HARNESS, queues=["large"])
    problem = submit(client, "boolq").json()
    assert "no worker of queue gpu has the LM Evaluation Harness" in problem["detail"]
    assert problem["hint"] == "pip install 'zpruner[eval]' there."
    start(sessions, "two", extras=HARNESS)
    (warning,) = warnings(submit(client, "boolq"))
    assert "a worker without the LM Evaluation Harness: one." in warning


@pytest.mark.parametrize(
    ("workers", "reason"),
    [
        ([], "queue gpu has no worker"),
        ([{"extras": None}], "queue gpu has no worker"),
        ([{"extras": {"eval": "0.0.1"}}], "the API has no LM Evaluation Harness of the worker's"),
        ([{"extras": HARNESS, "own_tasks": True}], "it may be one of ZPRUNER_TASK_ROOTS"),
    ],
)
def test_what_the_api_cannot_know_is_a_warning(
    workers: list[dict[str, Any]], reason: str, client: TestClient, sessions: Sessions
) -> None:
    for number, fields in enumerate(workers):
        start(sessions, str(number), **fields)
    (warning,) = warnings(submit(client, "arc_eazy"))
    assert reason in warning
    assert warning.endswith("The worker will check them before it prunes.")
    assert warnings(client.post("/v1/jobs", json=JOB)) == []
