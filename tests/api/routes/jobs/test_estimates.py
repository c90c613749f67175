from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest
from fastapi.testclient import TestClient

from db.core.session import Sessions
from db.files.artifact_store import ArtifactStore
from db.jobs.estimates import EstimateRepository
from tests.api.work import finish_job
from tests.factories import make_problem

BODY = {"model": "org/model", "sparsity": 0.5, "dataset": "wikitext2"}
AT_ONCE = {"prefer": "wait=0"}
ANSWER: dict[str, Any] = {
    "model": {"name": "org/model", "revision": "a" * 40, "parameters": 1000, "blocks": 2},
    "fits": True,
    "refusal": None,
    "memory": {"host_bytes": 10, "device_bytes": 0, "scratch_bytes": 5},
    "seconds": {"p50": 2.0, "p90": 3.0, "jobs": 5},
    "artifact_bytes": 4000,
    "computed_on": {"device": "cpu", "dtype": "float32"},
    "setting": {"propagation": "fused", "batch_tokens": 512, "spills": False},
    "windows": {
        "calibration": 128,
        "evaluation": 10,
        "seq_len": 64,
        "evaluation_seq_len": 48,
        "training": 0,
        "held_out": 0,
    },
    "warnings": ["about 10 evaluation windows"],
}


def answer_all(sessions: Sessions, answer: dict[str, Any]) -> bool:
    """Do what the planner's process does; whether somebody had asked."""
    with sessions.begin() as session:
        estimates = EstimateRepository(session)
        taken = estimates.claim_next()
        if taken is not None:
            estimates.complete(taken.id, answer)
    return taken is not None


def test_an_estimate_waits_for_the_planner_s_answer(client: TestClient, sessions: Sessions) -> None:
    done = Event()

    def plan() -> None:
        while not answer_all(sessions, ANSWER):
            assert not done.wait(0.05)

    with ThreadPoolExecutor(1) as planner:
        planner.submit(plan)
        response = client.post("/v1/estimates", json=BODY, headers={"prefer": "wait=60"})
        done.set()

    found = response.json()
    assert response.status_code == 200
    assert response.headers["location"] == f"/v1/estimates/{found['id']}"
    plain = {name: value for name, value in ANSWER.items() if name != "warnings"}
    assert {name: found[name] for name in plain} == plain
    assert (found["status"], found["queue"], found["identical_job_id"]) == ("ready", "gpu", None)
    assert "preset fast 61.4" in found["advice"][0]
    assert found["seconds_alone"] is None
    unchecked, guess = found["warnings"][0], found["warnings"][-1]
    assert "was not checked" in unchecked
    assert guess == "about 10 evaluation windows"
    again = client.post("/v1/estimates", json=BODY, headers=AT_ONCE)
    assert (again.status_code, again.json()["id"]) == (200, found["id"])


def test_what_is_not_found_out_yet_is_looked_at_later(
    client: TestClient, sessions: Sessions
) -> None:
    response = client.post("/v1/estimates", json=BODY, headers=AT_ONCE)
    assert (response.status_code, response.headers["retry-after"]) == (202, "1")
    assert response.json()["status"] == "pending"
    path = response.headers["location"]
    assert client.get(path).status_code == 202
    answer_all(sessions, ANSWER)
    assert client.get(path).json()["artifact_bytes"] == 4000


def test_on_a_busy_machine_an_estimate_has_both_times(
    client: TestClient, sessions: Sessions
) -> None:
    client.post("/v1/estimates", json=BODY, headers=AT_ONCE)
    alone = {"p50": 1.0, "p90": 1.5, "jobs": 5}
    answer_all(sessions, ANSWER | {"seconds_alone": alone})
    found = client.post("/v1/estimates", json=BODY, headers=AT_ONCE).json()
    assert (found["seconds"], found["seconds_alone"]) == (ANSWER["seconds"], alone)


def test_a_job_that_does_not_fit_says_so(client: TestClient, sessions: Sessions) -> None:
    client.post("/v1/estimates", json=BODY, headers=AT_ONCE)
    answer_all(sessions, ANSWER | {"fits": False, "refusal": "set samples to 64"})
    found = client.post("/v1/estimates", json=BODY, headers=AT_ONCE).json()
    assert (found["fits"], found["refusal"], found["queue"]) == (False, "set samples to 64", None)


def test_a_finished_job_with_the_same_fields_is_named(
    client: TestClient, sessions: Sessions, store: ArtifactStore
) -> None:
    job = finish_job(sessions, store)
    client.post("/v1/estimates", json=BODY, headers=AT_ONCE)
    answer_all(sessions, ANSWER)
    found = client.post("/v1/estimates", json=BODY, headers=AT_ONCE).json()
    assert found["identical_job_id"] == job.id


def test_what_the_planner_refuses_is_refused_in_its_words(
    client: TestClient, sessions: Sessions
) -> None:
    path = client.post("/v1/estimates", json=BODY, headers=AT_ONCE).headers["location"]
    problem = make_problem(status=422, code="quantized", title="Unusable", hint="Another.")
    with sessions.begin() as session:
        EstimateRepository(session).fail(path.rpartition("/")[2], problem)
    for response in (
        client.post("/v1/estimates", json=BODY, headers=AT_ONCE),
        client.get(path),
    ):
        refused = response.json()
        assert (response.status_code, refused["code"]) == (422, "quantized")
        assert (refused["detail"], refused["hint"]) == ("it went wrong", "Another.")


@pytest.mark.parametrize(
    "wrong", [{"sparsity": 2}, {"model": "local:/etc"}, {"pattern": "1:4"}, {"sparsty": 1}]
)
def test_what_no_job_can_be_is_refused_like_a_job(
    wrong: dict[str, Any], client: TestClient, sessions: Sessions
) -> None:
    asked, submitted = (
        client.post(path, json=BODY | wrong) for path in ("/v1/estimates", "/v1/jobs")
    )
    assert asked.status_code == submitted.status_code == 422
    assert asked.json()["detail"] == submitted.json()["detail"]
    with sessions() as session:
        assert not EstimateRepository(session).has_unfinished()


def test_there_is_no_estimate_of_another_name(client: TestClient) -> None:
    for name in ("x", "est_" + "0" * 32):
        response = client.get(f"/v1/estimates/{name}")
        assert (response.status_code, response.json()["code"]) == (404, "estimate_not_found")
