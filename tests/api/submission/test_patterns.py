"""N:M patterns and the method `none` imply the sparsity in every request."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.api.calls import PUSH, TRIGGER, call, create

JOB = {"model": "org/model", "dataset": "wikitext2", "pattern": "2:4"}
CONTRADICTION = JOB | {"sparsity": 0.6}


def spec_of(client: TestClient, job_id: str) -> Any:
    return client.get(f"/v1/jobs/{job_id}").json()["spec"]


def test_a_job_needs_no_sparsity_beside_a_pattern(client: TestClient) -> None:
    made = client.post("/v1/jobs", json=JOB).json()
    assert (made["spec"]["pattern"], made["spec"]["sparsity"]) == ("2:4", 0.5)
    assert spec_of(client, made["id"]) == made["spec"]
    tried = client.post("/v1/jobs?dry_run=true", json=JOB).json()
    asked = client.post("/v1/estimates", json=JOB, headers={"prefer": "wait=0"}).json()
    assert tried["spec"] == asked["spec"] == made["spec"]


@pytest.mark.parametrize(
    "path", ["/v1/jobs", "/v1/jobs?dry_run=true", "/v1/estimates", "/v1/sweeps", "/v1/triggers"]
)
def test_a_contradiction_is_refused_and_names_both(client: TestClient, path: str) -> None:
    body: dict[str, Any] = CONTRADICTION
    if path == "/v1/sweeps":
        body = CONTRADICTION | {"grid": {"method": ["wanda", "ria"]}}
    if path == "/v1/triggers":
        body = TRIGGER | {"job": {**CONTRADICTION, "model": "org/model"}}
    response = client.post(path, json=body)
    assert response.status_code == 422
    detail = response.json()["detail"]
    assert "sparsity" in detail
    assert "0.6" in detail
    assert "pattern 2:4 gives 0.5" in detail


def test_without_either_both_are_offered(client: TestClient) -> None:
    nothing = {"model": "org/model", "dataset": "wikitext2"}
    detail = client.post("/v1/jobs", json=nothing).json()["detail"]
    assert detail == ("sparsity: is required. Add it, or a pattern such as 2:4, which implies it.")


def test_each_point_of_a_sweep_has_what_its_own_pattern_implies(client: TestClient) -> None:
    base = {"model": "org/model", "dataset": "wikitext2"}
    grids: list[dict[str, Any]] = [
        {"grid": {"pattern": ["2:4", "1:4"]}},
        {"pattern": "2:4", "jobs": [{}, {"pattern": "1:4"}]},
    ]
    for grid in grids:
        made = client.post("/v1/sweeps", json=base | grid)
        assert made.status_code == 201, made.text
        specs = [spec_of(client, one["job_id"]) for one in made.json()["points"]]
        assert [spec["sparsity"] for spec in specs] == [0.5, 0.75]


def test_a_rerun_with_another_pattern_has_another_sparsity(client: TestClient) -> None:
    first = client.post("/v1/jobs", json=JOB).json()["id"]
    again = client.post(f"/v1/jobs/{first}/rerun", json={"pattern": "1:4"}).json()
    assert again["spec"]["sparsity"] == 0.75
    unstructured = client.post(f"/v1/jobs/{first}/rerun", json={"pattern": None}).json()
    assert (unstructured["spec"]["pattern"], unstructured["spec"]["sparsity"]) == (None, 0.5)


def test_a_trigger_s_job_needs_no_sparsity_beside_a_pattern(client: TestClient) -> None:
    fixed = create(client, job={"dataset": "wikitext2", "pattern": "2:4"})
    mapped = create(
        client,
        job={"dataset": "wikitext2"},
        map={"model": "/repo/name", "pattern": "/pattern"},
    )
    for trigger, payload in ((fixed, PUSH), (mapped, PUSH | {"pattern": "1:4"})):
        answer = call(client, trigger, payload)
        assert answer.status_code == 202, answer.text
        spec = spec_of(client, answer.json()["job_id"])
        assert spec["sparsity"] == (0.75 if "pattern" in payload else 0.5)


def test_a_job_that_prunes_nothing_needs_no_sparsity(client: TestClient) -> None:
    kept = {"model": "org/model", "dataset": "wikitext2", "method": "none"}
    made = client.post("/v1/jobs", json=kept).json()
    assert made["spec"]["sparsity"] == 0
    half = client.post(f"/v1/jobs/{made['id']}/rerun", json={"method": "wanda", "sparsity": 0.5})
    again = client.post(f"/v1/jobs/{half.json()['id']}/rerun", json={"method": "none"})
    assert again.json()["spec"] == made["spec"]
    points = [{"method": "none"}, {"method": "wanda", "sparsity": 0.5}]
    base = {"model": "org/model", "dataset": "wikitext2"}
    sweep = client.post("/v1/sweeps", json=base | {"jobs": points})
    assert sweep.status_code == 201, sweep.text
    mapped = create(
        client, job={"dataset": "wikitext2"}, map={"model": "/repo/name", "method": "/how"}
    )
    answer = call(client, mapped, PUSH | {"how": "none"})
    assert spec_of(client, answer.json()["job_id"])["sparsity"] == 0


def test_the_schema_of_a_request_requires_no_sparsity_and_an_answer_has_it(
    client: TestClient,
) -> None:
    schemas = client.get("/openapi.json").json()["components"]["schemas"]
    assert "sparsity" not in schemas["JobRequest"]["required"]
    assert "sparsity" in schemas["PruneSpec"]["required"]
    for method in client.get("/v1/methods").json()["data"]:
        assert "sparsity" not in method["options"]["required"]
