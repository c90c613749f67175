"""Prices, bounds of costs and budgets, from the request to the job."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from api.core.settings import ApiSettings
from db.access.keys import Quotas
from db.core.session import Sessions
from db.files.artifact_store import ArtifactStore
from db.jobs.estimates import EstimateRepository
from db.scheduling.control_heartbeat import HeartbeatRepository
from tests.api.work import finish
from tests.factories import make_job, make_key
from tests.fakes import ListQueue

BODY = {"model": "org/model", "sparsity": 0.5, "dataset": "wikitext2"}
HOUR = 3600.0
ANSWER: dict[str, Any] = {
    "model": {"name": "org/model", "parameters": 1000, "blocks": 2, "revision": None},
    "fits": True,
    "refusal": None,
    "memory": {"host_bytes": 10, "device_bytes": 0, "scratch_bytes": 5},
    "seconds": {"p50": HOUR, "p90": 2 * HOUR, "jobs": 5},
    "artifact_bytes": 4000,
    "computed_on": {"device": "cpu", "dtype": "float32"},
    "setting": {},
    "windows": {"calibration": 1, "evaluation": 1, "seq_len": 64},
    "warnings": [],
}


@pytest.fixture
def settings(settings: ApiSettings) -> ApiSettings:
    priced = {"prices": {"h100": 4.0}, "currency": "EUR", "queues": ("gpu", "h100")}
    return settings.model_copy(update=priced)


def answer(sessions: Sessions) -> None:
    """Do what the planner does with the latest request."""
    with sessions.begin() as session:
        estimates = EstimateRepository(session)
        taken = estimates.claim_next()
        assert taken is not None
        estimates.complete(taken.id, ANSWER)


@pytest.fixture
def estimated(client: TestClient, sessions: Sessions) -> dict[str, Any]:
    """The estimate of the usual job in the queue with a price; control is alive."""
    with sessions.begin() as session:
        HeartbeatRepository(session).record()
    body = BODY | {"queue": "h100"}
    asked = client.post("/v1/estimates", json=body, headers={"prefer": "wait=0"})
    answer(sessions)
    found: dict[str, Any] = client.get(asked.headers["location"]).json()
    return found


@pytest.mark.usefixtures("estimated")
def test_an_estimate_has_a_cost_where_its_queue_has_a_price(
    client: TestClient, estimated: dict[str, Any]
) -> None:
    cost = {"p50": 4.0, "p90": 8.0, "currency": "EUR", "hourly_price": 4.0}
    assert (estimated["cost"], estimated["queue"]) == (cost, "h100")
    assert client.post("/v1/estimates", json=BODY | {"queue": "h100"}).json()["cost"] == cost
    assert client.post("/v1/estimates", json=BODY).json()["cost"] is None


@pytest.mark.usefixtures("estimated")
def test_a_job_that_will_likely_cost_more_than_it_may_is_refused(client: TestClient) -> None:
    refused = client.post("/v1/jobs", json=BODY | {"queue": "h100", "max_cost": 7.5})
    problem = refused.json()
    assert (refused.status_code, problem["code"]) == (422, "cost_exceeded")
    assert problem["errors"][0]["pointer"] == "/max_cost"
    text = "max_cost 7.5: the job will likely cost up to 8.00 EUR, for 2.00 hours at 4.00 EUR an"
    assert text in problem["detail"]
    assert problem["hint"].startswith("Raise max_cost")
    accepted = client.post("/v1/jobs", json=BODY | {"queue": "h100", "max_cost": 8})
    assert (accepted.status_code, accepted.json()["max_cost"]) == (201, 8.0)
    assert accepted.json()["cost"] == {"amount": 0.0, "currency": "EUR", "hourly_price": 4.0}
    preview = client.post("/v1/jobs?dry_run=true", json=BODY | {"queue": "h100", "max_cost": 9})
    assert preview.json()["likely_cost"]["amount"] == 8.0


def test_a_bound_in_a_queue_without_a_price_is_refused(client: TestClient) -> None:
    refused = client.post("/v1/jobs", json=BODY | {"max_cost": 5})
    assert refused.status_code == 422
    assert "max_cost 5.0: queue gpu has no price" in refused.json()["detail"]
    path = f"/v1/jobs/{client.post('/v1/jobs', json=BODY).json()['id']}"
    patched = client.patch(path, json={"max_cost": 5, "name": "one"})
    assert (patched.status_code, patched.json()["detail"]) == (422, refused.json()["detail"])
    assert client.patch(path, json={"max_cost": None, "name": "one"}).json()["name"] == "one"


def test_a_job_that_waits_for_its_estimate_is_refused_by_it_before_it_starts(
    client: TestClient, sessions: Sessions
) -> None:
    client.post("/v1/estimates", json=BODY, headers={"prefer": "wait=0"})
    jobs = {}
    for bound in (7.0, 9.0, None):
        given = {"queue": "h100"} | ({} if bound is None else {"max_cost": bound})
        jobs[bound] = client.post("/v1/jobs", json=BODY | given).json()
    assert any("cost was not estimated" in text for text in jobs[7.0]["warnings"])
    answer(sessions)
    read = {bound: client.get(f"/v1/jobs/{job['id']}").json() for bound, job in jobs.items()}
    assert {bound: job["status"] for bound, job in read.items()} == {
        7.0: "failed",
        9.0: "queued",
        None: "queued",
    }
    assert read[7.0]["error"]["code"] == "cost_exceeded"
    assert read[7.0]["attempts"] == []


@pytest.mark.usefixtures("estimated")
def test_a_budget_refuses_a_job_before_it_starts(settings: ApiSettings, sessions: Sessions) -> None:
    guarded = create_app(settings.model_copy(update={"auth": "keys"}), ListQueue())
    key, token = make_key(sessions, name="Ada", quotas=Quotas(monthly_cost=20.0))
    headers = {"authorization": f"Bearer {token}"}
    body = BODY | {"queue": "h100"}
    with TestClient(guarded, base_url="http://127.0.0.1") as client:
        for _ in range(2):
            assert client.post("/v1/jobs", json=body, headers=headers).status_code == 201
        dry = client.post("/v1/jobs?dry_run=true", json=body, headers=headers)
        sweep = body | {"grid": {"sparsity": [0.5]}}
        dry_sweep = client.post("/v1/sweeps?dry_run=true", json=sweep, headers=headers)
        refused = client.post("/v1/jobs", json=body, headers=headers)
        assert client.post("/v1/jobs", json=BODY, headers=headers).status_code == 201
        shares = client.get("/v1/me", headers=headers).json()["quotas"]
    for response in (dry, dry_sweep, refused):
        problem = response.json()
        assert (response.status_code, problem["code"]) == (429, "budget_exceeded")
        assert problem["retryable"] is False
        assert "16.00 are reserved" in problem["detail"]
        assert "4.00 are left, and the request likely costs up to 8.00" in problem["detail"]
        assert "PATCH /v1/keys/{id}" in problem["hint"]
    assert shares["monthly_cost"] == {"used": 0.0, "allowed": 20.0}
    assert key.id


@pytest.mark.usefixtures("estimated")
def test_the_points_of_a_sweep_are_bounded_each(client: TestClient, sessions: Sessions) -> None:
    sweep = BODY | {"queue": "h100", "max_cost": 7.5, "grid": {"sparsity": [0.5]}}
    refused = client.post("/v1/sweeps", json=sweep)
    assert (refused.status_code, refused.json()["code"]) == (422, "cost_exceeded")
    made = client.post("/v1/sweeps", json=sweep | {"max_cost": 8.5})
    job = client.get(f"/v1/jobs/{made.json()['points'][0]['job_id']}").json()
    assert (job["max_cost"], job["cost"]["hourly_price"]) == (8.5, 4.0)


def test_a_job_that_has_cost_all_it_may_is_retried_after_a_higher_bound(
    client: TestClient, sessions: Sessions
) -> None:
    job = make_job(sessions, status="failed", hourly_price=4.0, currency="EUR", max_cost=0.0)
    path = f"/v1/jobs/{job.id}"
    refused = client.post(f"{path}/retry")
    assert (refused.status_code, refused.json()["code"]) == (422, "cost_exceeded")
    assert client.patch(path, json={"name": "one"}).json()["max_cost"] == 0.0
    assert client.patch(path, json={"max_cost": 3}).json()["max_cost"] == 3.0
    assert client.post(f"{path}/retry").json()["status"] == "queued"
    assert client.patch(path, json={"max_cost": None}).json()["max_cost"] is None


def test_a_result_has_the_cost_of_its_attempts(
    client: TestClient, sessions: Sessions, store: ArtifactStore
) -> None:
    job_id = client.post("/v1/jobs", json=BODY | {"queue": "h100"}).json()["id"]
    finish(sessions, store, job_id)
    job = client.get(f"/v1/jobs/{job_id}").json()
    [attempt] = job["attempts"]
    assert job["cost"]["hourly_price"] == 4.0
    assert client.get(f"/v1/jobs/{job_id}/result").json()["cost"] == job["cost"]
    assert attempt["ended_at"] is not None
    unpriced = client.post("/v1/jobs", json=BODY).json()
    assert unpriced["cost"] is None
