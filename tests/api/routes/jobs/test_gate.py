from typing import Any

import pytest
from fastapi.testclient import TestClient

from db.core.session import Sessions
from db.files.artifact_store import ArtifactStore
from db.scheduling.claims import ClaimRepository
from db.scheduling.leases import LeaseRepository
from tests.api.calls import TRIGGER
from tests.api.work import finish
from tests.fakes import ListQueue

GATE = {
    "max": {"perplexity_ratio": 1.1},
    "min": {"protocol.tokens": 600},
    "confidence": None,
}
BODY = {"model": "org/model", "sparsity": 0.5, "dataset": "wikitext2", "gate": GATE}
NO_INTERVAL = {"interval": None}


def finished(client: TestClient, sessions: Sessions, metrics: dict[str, Any], **fields: Any) -> str:
    job_id: str = client.post("/v1/jobs", json=BODY | fields).json()["id"]
    with sessions.begin() as session:
        ClaimRepository(session).claim(job_id, "gpu@test")
        LeaseRepository(session).succeed(job_id, 1, metrics, [])
    return job_id


def test_a_gate_that_is_passed_shows_in_the_job_and_lets_its_result_through(
    client: TestClient, sessions: Sessions
) -> None:
    job_id = finished(client, sessions, {"perplexity_ratio": 1.05, "protocol": {"tokens": 700}})
    job = client.get(f"/v1/jobs/{job_id}").json()
    assert (job["gate"], job["verdict"], job["gate_failures"]) == (GATE, "pass", [])
    assert client.get(f"/v1/jobs/{job_id}/result").status_code == 200


def test_a_gate_that_is_not_passed_is_a_failed_dependency_that_names_each_figure(
    client: TestClient, sessions: Sessions
) -> None:
    job_id = finished(client, sessions, {"perplexity_ratio": 1.5})
    job = client.get(f"/v1/jobs/{job_id}").json()
    assert (job["status"], job["verdict"]) == ("succeeded", "fail")
    assert job["gate_failures"] == [
        {"metric": "perplexity_ratio", "bound": "max", "wanted": 1.1, "got": 1.5} | NO_INTERVAL,
        {"metric": "protocol.tokens", "bound": "min", "wanted": 600, "got": None} | NO_INTERVAL,
    ]
    response = client.get(f"/v1/jobs/{job_id}/result")
    problem = response.json()
    assert (response.status_code, problem["code"]) == (424, "gate_failed")
    assert "perplexity_ratio is 1.5, wanted at most 1.1" in problem["detail"]
    assert [one["pointer"] for one in problem["errors"]] == [
        "/gate/max/perplexity_ratio",
        "/gate/min/protocol.tokens",
    ]
    assert client.get(problem["type"]).status_code == 200


def test_a_drop_fails_with_its_interval_only_if_that_excludes_the_bound(
    client: TestClient, sessions: Sessions
) -> None:
    metrics = {"acc_drop": {"boolq": 0.05}, "acc_drop_stderr": {"boolq": 0.01}}
    for wanted, verdict in ((0.04, "pass"), (0.03, "fail")):
        gate = {"max": {"acc_drop.boolq": wanted}, "confidence": 0.95}
        job_id = finished(client, sessions, metrics, tasks=["boolq"], gate=gate)
        job = client.get(f"/v1/jobs/{job_id}").json()
        assert (job["gate"], job["verdict"]) == (gate | {"min": {}}, verdict)
    [failure] = job["gate_failures"]
    assert failure["interval"] == pytest.approx(
        {"low": 0.0304, "high": 0.0696, "confidence": 0.95}, abs=1e-4
    )
    detail = client.get(f"/v1/jobs/{job_id}/result").json()["detail"]
    assert "acc_drop.boolq is 0.05 (95 % interval 0.0304 to 0.0696), wanted at most 0.03" in detail


def test_jobs_are_listed_by_verdict(client: TestClient, sessions: Sessions) -> None:
    good = finished(client, sessions, {"perplexity_ratio": 1.0, "protocol": {"tokens": 600}})
    bad = finished(client, sessions, {})
    waiting = client.post("/v1/jobs", json=BODY).json()["id"]
    for verdict, job_id in (("pass", good), ("fail", bad), ("none", waiting)):
        listed = client.get(f"/v1/jobs?verdict={verdict}").json()["data"]
        assert [job["id"] for job in listed] == [job_id]
    assert client.get("/v1/jobs?verdict=maybe").status_code == 422


@pytest.mark.parametrize(
    ("gate", "pointer"),
    [
        ({}, "/gate"),
        ({"max": {"a b": 1}}, "/gate/max/a b"),
        ({"max": {"a": "x"}}, "/gate/max/a"),
        ({"max": {"perplexity_ratio": 1}, "confidence": 1.0}, "/gate/confidence"),
        ({"max": {"sparsity": 1}, "confidence": 0.95}, "/gate/confidence"),
        ({"most": {"a": 1}}, "/gate/most"),
    ],
)
def test_a_gate_that_is_none_is_refused_at_its_place(
    gate: dict[str, Any], pointer: str, client: TestClient, queue: ListQueue
) -> None:
    response = client.post("/v1/jobs", json=BODY | {"gate": gate})
    assert response.status_code == 422
    assert pointer in [one["pointer"] for one in response.json()["errors"]]
    assert queue.ids == []


def test_a_misspelt_bound_is_refused_with_the_valid_names(client: TestClient) -> None:
    response = client.post("/v1/jobs", json=BODY | {"gate": {"maxi": {"a": 1}, "min": {"b": 1}}})
    assert response.json()["hint"] == "Did you mean max?"


def test_a_rerun_keeps_the_gate_and_may_change_it(client: TestClient, sessions: Sessions) -> None:
    job_id = finished(client, sessions, {})
    kept = client.post(f"/v1/jobs/{job_id}/rerun").json()
    other = client.post(f"/v1/jobs/{job_id}/rerun", json={"gate": None}).json()
    assert (kept["gate"], other["gate"]) == (GATE, None)


def test_a_finished_job_is_reused_only_for_the_same_gate(
    client: TestClient, sessions: Sessions, store: ArtifactStore
) -> None:
    job_id: str = client.post("/v1/jobs", json=BODY).json()["id"]
    finish(sessions, store, job_id, metrics={})
    reusing = BODY | {"reuse": "if_succeeded"}
    assert client.post("/v1/jobs", json=reusing).json()["id"] == job_id
    assert client.post("/v1/jobs", json=reusing | {"gate": None}).status_code == 201
    dry = client.post("/v1/jobs?dry_run=true", json=BODY).json()
    assert (dry["gate"], dry["identical_job_id"]) == (GATE, job_id)


@pytest.mark.parametrize(
    "path", ["/v1/jobs", "/v1/jobs?dry_run=true", "/v1/estimates", "/v1/sweeps", "/v1/triggers"]
)
def test_a_metric_that_the_job_will_not_have_is_refused_with_those_it_will_have(
    path: str, client: TestClient, queue: ListQueue
) -> None:
    body: dict[str, Any] = BODY | {"gate": {"max": {"perplexity_ration": 1.1}}}
    if path == "/v1/sweeps":
        body = body | {"grid": {"method": ["wanda", "ria"]}}
    if path == "/v1/triggers":
        body = TRIGGER | {"job": body}
    response = client.post(path, json=body)
    problem = response.json()
    assert (response.status_code, problem["code"]) == (422, "unknown_figure")
    (error,) = problem["errors"]
    assert error["pointer"] == ("/job/gate/max" if path == "/v1/triggers" else "/gate/max")
    assert "'perplexity_ration'" in error["detail"]
    assert problem["hint"].startswith(
        "Did you mean perplexity_ratio? The job will have perplexity_ratio, "
    )
    assert client.get(problem["type"]).status_code == 200
    assert client.get("/v1/jobs").json()["data"] == []
    assert queue.ids == []


def test_a_gate_has_to_suit_every_point_of_a_sweep(client: TestClient) -> None:
    gate = {"max": {"quantization.error": 0.1}}
    body = BODY | {"gate": gate, "grid": {"quantize": ["w4a16", "none"]}}
    problem = client.post("/v1/sweeps", json=body).json()
    assert problem["code"] == "unknown_figure"
    assert "(in point 1: quantize 'none')" in problem["detail"]
    assert problem["hint"].startswith("Set quantize. ")
