import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from db.access.keys import Quotas
from db.core import redaction
from db.core.session import Sessions
from db.core.states import JobState
from db.tables.access import AccessScope
from tests.api.requests import bearer
from tests.factories import make_job, make_key

JOB = {"model": "org/model", "sparsity": 0.5, "dataset": "wikitext2"}


def create(client: TestClient, **fields: Any) -> dict[str, Any]:
    response = client.post("/v1/keys", json={"name": "Ada"} | fields)
    assert response.status_code == 201, response.text
    made: dict[str, Any] = response.json()
    assert response.headers["location"] == f"/v1/keys/{made['id']}"
    assert response.headers["cache-control"] == "no-store"
    return made


def test_a_new_key_opens_what_it_was_made_for_and_is_shown_once(client: TestClient) -> None:
    made = create(client, scopes=["jobs:read"], quotas={"jobs_in_flight": 2})
    me = client.get("/v1/me", headers=bearer(made["key"])).json()
    assert (me["name"], me["scopes"], me["key"]["id"]) == ("Ada", ["jobs:read"], made["id"])
    assert me["quotas"]["jobs_in_flight"] == {"used": 0, "allowed": 2}
    assert me["quotas"]["gpu_hours"] == {"used": 0, "allowed": None}
    shown = client.get(f"/v1/keys/{made['id']}").json()
    assert "key" not in shown
    secret = made["key"].rpartition("_")[2]
    assert secret not in client.get("/v1/keys").text + client.get("/v1/audit").text


def test_without_words_a_key_may_use_jobs_and_make_no_keys(client: TestClient) -> None:
    made = create(client)
    assert made["scopes"] == ["jobs:read", "jobs:write", "artifacts:read"]
    refused = client.post("/v1/keys", json={"name": "more"}, headers=bearer(made["key"]))
    assert (refused.status_code, refused.json()["code"]) == (403, "missing_scope")


def test_whoever_needs_no_key_is_this_machine(client: TestClient) -> None:
    assert client.get("/v1/me").json() == {
        "name": "this machine",
        "scopes": [scope.value for scope in AccessScope],
        "key": None,
        "quotas": None,
    }


def test_a_revoked_key_stays_listed_and_opens_nothing(client: TestClient) -> None:
    made = create(client)
    first = client.delete(f"/v1/keys/{made['id']}").json()
    assert first["revoked_at"] is not None
    assert client.delete(f"/v1/keys/{made['id']}").json() == first
    assert [key["id"] for key in client.get("/v1/keys").json()["data"]] == [made["id"]]
    assert client.get("/v1/me", headers=bearer(made["key"])).status_code == 401
    refused = client.post(f"/v1/keys/{made['id']}/rotate")
    assert (refused.status_code, refused.json()["code"]) == (409, "key_revoked")


def test_a_rotation_makes_two_live_keys_for_a_day_or_as_long_as_is_asked(
    client: TestClient,
) -> None:
    made = create(client)
    rotated = client.post(f"/v1/keys/{made['id']}/rotate").json()
    assert rotated["id"] == made["id"]
    left = datetime.fromisoformat(rotated["former_until"]) - datetime.now(UTC)
    assert timedelta(hours=23) < left <= timedelta(hours=24, minutes=1)
    for token in (made["key"], rotated["key"]):
        assert client.get("/v1/me", headers=bearer(token)).status_code == 200
    last = client.post(f"/v1/keys/{made['id']}/rotate", json={"grace_s": 0}).json()
    status = [
        client.get("/v1/me", headers=bearer(one["key"])).status_code
        for one in (made, rotated, last)
    ]
    assert status == [401, 401, 200]


@pytest.mark.parametrize("key_id", ["key_" + "0" * 32, "job_" + "0" * 32, "x"])
def test_a_key_that_is_not_there_is_a_problem(client: TestClient, key_id: str) -> None:
    for verb, path in (("GET", ""), ("DELETE", ""), ("POST", "/rotate")):
        response = client.request(verb, f"/v1/keys/{key_id}{path}")
        assert (response.status_code, response.json()["code"]) == (404, "key_not_found")


@pytest.mark.parametrize(
    ("fields", "hint"),
    [
        ({"scopes": []}, "Use 1 or more."),
        ({"scopes": ["root"]}, "jobs:read"),
        ({"scope": ["admin"]}, "Did you mean scopes?"),
        ({"name": ""}, "Use 1 or more characters."),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "Use a time in the future."),
        ({"quotas": {"gpu_hours": -1}}, "at least 0"),
        ({"quotas": {"jobs": 1}}, "Remove it"),
    ],
)
def test_a_request_for_a_key_that_is_not_right_is_refused_with_the_remedy(
    client: TestClient, fields: dict[str, Any], hint: str
) -> None:
    response = client.post("/v1/keys", json={"name": "Ada"} | fields)
    assert response.status_code == 422
    assert hint in response.json()["hint"]
    assert client.get("/v1/keys").json()["data"] == []


def test_a_job_names_the_key_that_created_it(client: TestClient) -> None:
    made = create(client)
    job = client.post("/v1/jobs", json=JOB, headers=bearer(made["key"])).json()
    again = client.post(f"/v1/jobs/{job['id']}/rerun", headers=bearer(made["key"])).json()
    alone = client.post("/v1/jobs", json=JOB).json()
    assert [one["created_by"] for one in (job, again, alone)] == [made["id"], made["id"], None]
    # One service, one tenant: a key sees all jobs.
    listed = client.get("/v1/jobs", headers=bearer(made["key"])).json()["data"]
    assert {one["id"] for one in listed} == {job["id"], again["id"], alone["id"]}


def test_two_callers_with_the_same_idempotency_key_get_two_jobs(
    client: TestClient, sessions: Sessions
) -> None:
    callers = [bearer(make_key(sessions)[1]) for _ in range(2)] + [{}]
    sweep = {"model": "org/model", "dataset": "wikitext2", "grid": {"sparsity": [0.3, 0.4]}}
    for path, body in (("/v1/jobs", JOB), ("/v1/sweeps", sweep)):
        first, again = (
            [
                client.post(path, json=body, headers=caller | {"idempotency-key": path})
                for caller in callers
            ]
            for _ in range(2)
        )
        assert [one.status_code for one in first] == [201] * 3
        assert len({one.json()["id"] for one in first}) == 3
        assert [one.json() for one in again] == [one.json() for one in first]


def test_a_quota_refuses_a_new_job_a_dry_run_and_a_retry_and_says_what_to_do(
    client: TestClient, sessions: Sessions
) -> None:
    key, written = make_key(sessions, name="Ada", quotas=Quotas(jobs_in_flight=1))
    failed = make_job(sessions, status=JobState.failed, created_by=key.id)
    headers = bearer(written) | {"idempotency-key": "one"}
    first = client.post("/v1/jobs", json=JOB, headers=headers)
    assert first.status_code == 201
    for path in ("/v1/jobs", "/v1/jobs?dry_run=true", f"/v1/jobs/{failed.id}/retry"):
        body = None if path.endswith("retry") else JOB
        refused = client.post(path, json=body, headers=bearer(written))
        problem = refused.json()
        assert (refused.status_code, problem["code"]) == (429, "quota_exceeded")
        assert problem["detail"] == "key Ada has used 1 of its 1 jobs_in_flight"
        assert "cancel one" in problem["hint"]
        assert (problem["retryable"], refused.headers["retry-after"]) == (True, "30")
    # What was accepted before is not refused when its answer is asked for again.
    assert client.post("/v1/jobs", json=JOB, headers=headers).json() == first.json()
    client.post(f"/v1/jobs/{first.json()['id']}/cancel")
    assert client.post("/v1/jobs", json=JOB, headers=bearer(written)).status_code == 201


def test_a_job_that_cannot_be_retried_is_refused_for_that_and_not_for_a_quota(
    client: TestClient, sessions: Sessions
) -> None:
    key, written = make_key(sessions, quotas=Quotas(jobs_in_flight=1))
    queued = make_job(sessions, created_by=key.id)
    cost: dict[str, Any] = {"hourly_price": 4.0, "currency": "EUR", "max_cost": 0.0}
    succeeded = make_job(sessions, status=JobState.succeeded, **cost)
    for job, actions in ((queued, "cancel, pause, rerun"), (succeeded, "rerun, delete")):
        refused = client.post(f"/v1/jobs/{job.id}/retry", headers=bearer(written))
        assert (refused.status_code, refused.json()["code"]) == (409, "invalid_state")
        assert refused.json()["hint"].endswith(f"allows: {actions}.")
    etag = client.get(f"/v1/jobs/{succeeded.id}").headers["etag"]
    client.patch(f"/v1/jobs/{succeeded.id}", json={"name": "one"})
    stale = client.post(f"/v1/jobs/{succeeded.id}/retry", headers={"if-match": etag})
    assert stale.json()["code"] == "stale_version"


@pytest.mark.parametrize("quota", ["gpu_hours", "artifact_bytes"])
def test_a_quota_that_is_used_up_can_be_raised_by_an_admin(
    client: TestClient, sessions: Sessions, quota: str
) -> None:
    _, written = make_key(sessions, quotas=Quotas(**{quota: 0}))
    refused = client.post("/v1/jobs", json=JOB, headers=bearer(written))
    assert refused.json()["code"] == "quota_exceeded"
    assert "zpruner keys limit" in refused.json()["hint"]


def test_a_quota_that_time_alone_gives_back_names_no_moment(
    client: TestClient, sessions: Sessions
) -> None:
    _, written = make_key(sessions, quotas=Quotas(gpu_hours=0.0))
    refused = client.post("/v1/jobs", json=JOB, headers=bearer(written))
    assert refused.json()["code"] == "quota_exceeded"
    assert refused.json()["retryable"] is False
    assert "retry-after" not in refused.headers


def test_every_request_to_change_something_is_in_the_audit(
    client: TestClient, sessions: Sessions
) -> None:
    made = create(client, name="Ada", scopes=["jobs:write"])
    given = bearer(made["key"]) | {"x-request-id": "one"}
    job = client.post("/v1/jobs", json=JOB, headers=given).json()
    client.post(f"/v1/jobs/{job['id']}/cancel", headers=given)
    client.post(f"/v1/jobs/{job['id']}/cancel", json={}, headers=given | {"if-match": '"x"'})
    client.delete(f"/v1/keys/{made['id']}", headers=given)
    client.get("/v1/jobs")  # changes nothing
    client.post("/v1/jobs", json=JOB, headers=bearer("wrong"))  # of no key

    entries = client.get("/v1/audit").json()["data"][::-1]
    found = [(one["who"], one["action"], one["target"], one["status"]) for one in entries]
    path = f"/v1/jobs/{job['id']}"
    assert found == [
        ("this machine", "create_key", f"/v1/keys/{made['id']}", 201),
        ("Ada", "submit_job", path, 201),
        ("Ada", "cancel_job", f"{path}/cancel", 200),
        ("Ada", "cancel_job", f"{path}/cancel", 412),
        ("Ada", "delete", f"/v1/keys/{made['id']}", 403),
    ]
    client.delete("/v1/keys/a%C2%85b%20c", headers=given)
    assert client.get("/v1/audit?limit=1").json()["data"][0]["target"] == "/v1/keys/a%C2%85b%20c"
    assert {one["request_id"] for one in entries[1:]} == {"one"}
    assert {one["address"] for one in entries} == {"testclient"}
    assert [one["key_id"] for one in entries[:2]] == [None, made["id"]]
    mine = client.get(f"/v1/audit?key={made['id']}").json()["data"]
    assert mine[1:] == entries[:0:-1]


def test_a_dry_run_and_an_estimate_are_not_in_the_audit(
    client: TestClient, sessions: Sessions
) -> None:
    job = make_job(sessions)
    sweep = {name: JOB[name] for name in ("model", "dataset")} | {"grid": {"sparsity": [0.4, 0.6]}}
    dry = {
        f"/v1/jobs/{job.id}/rerun": {"sparsity": 0.6},
        "/v1/jobs": JOB,
        "/v1/sweeps": sweep,
    }
    for path, body in dry.items():
        client.post(path, params={"dry_run": True}, json=body)
        client.post(path, params={"dry_run": True}, json={"sparsity": 2})  # refused
    client.post("/v1/estimates", json=JOB, headers={"prefer": "wait=0"})
    assert client.get("/v1/audit").json()["data"] == []

    real = client.post("/v1/jobs?dry_run=true&dry_run=false", json=JOB)
    assert real.status_code == 201
    (entry,) = client.get("/v1/audit").json()["data"]
    assert entry["action"] == "submit_job"


def test_the_audit_is_read_page_by_page(client: TestClient) -> None:
    for number in range(5):
        create(client, name=str(number))
    seen, path = list[str](), "/v1/audit?limit=2"
    while path:
        response = client.get(path)
        seen += [entry["target"] for entry in response.json()["data"]]
        path = response.headers.get("link", "")[1:].partition(">")[0]
    keys = client.get("/v1/keys").json()["data"]
    assert seen == [f"/v1/keys/{key['id']}" for key in keys]
    wrong = client.get("/v1/audit?cursor=x&keys=1").json()
    assert "next_cursor" in wrong["hint"]
    assert "Did you mean key?" in wrong["hint"]


def test_a_crash_in_a_request_to_change_something_is_in_the_audit(
    app: FastAPI, client: TestClient
) -> None:
    @app.post("/v1/broken")
    def broken() -> None:
        raise RuntimeError

    assert client.post("/v1/broken").status_code == 500
    (entry,) = client.get("/v1/audit").json()["data"]
    assert (entry["action"], entry["status"]) == ("broken", 500)


def test_no_log_of_the_service_holds_a_key(
    app: FastAPI, client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    made = create(client)

    @app.get("/v1/broken")
    def broken() -> None:
        raise RuntimeError(f"the header was Bearer {made['key']}")

    with caplog.at_level(logging.DEBUG):
        client.get("/v1/broken", headers=bearer(made["key"]))
    assert "RuntimeError" in caplog.text
    assert redaction.HIDDEN in caplog.text
    assert made["key"].rpartition("_")[2] not in caplog.text
