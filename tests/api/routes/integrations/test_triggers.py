"""Routes of triggers."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select

from db.core.session import Sessions
from db.tables.access import AccessScope
from db.tables.jobs import Job
from db.tables.triggers import TriggerDelivery
from tests.api.calls import JOB, NO_SUCH, PUSH, TRIGGER, call, create
from tests.factories import make_key
from tests.fakes import ListQueue

LABELS = {f"label{number}": "x" for number in range(32)}


def test_a_new_trigger_shows_its_secret_once(client: TestClient) -> None:
    response = client.post("/v1/triggers", json=TRIGGER)
    made = response.json()
    assert response.headers["location"] == f"/v1/triggers/{made['id']}"
    assert response.headers["cache-control"] == "no-store"
    secret = made.pop("secret")
    assert secret.startswith("whsec_")
    assert made["hook"] == f"/v1/hooks/{made['id']}"
    assert made | TRIGGER == made
    assert client.get(f"/v1/triggers/{made['id']}").json() == made
    assert client.get("/v1/triggers").json()["data"] == [made]
    for path in ("", f"/{made['id']}", f"/{made['id']}/deliveries"):
        assert secret not in client.get(f"/v1/triggers{path}").text
    assert secret not in client.get("/v1/audit").text


def test_the_list_is_newest_first(client: TestClient) -> None:
    made = [create(client, name=str(number))["id"] for number in range(3)]
    assert [one["id"] for one in client.get("/v1/triggers").json()["data"]] == made[::-1]


@pytest.mark.parametrize(
    ("fields", "pointer", "hint"),
    [
        ({"source": "gitlab"}, "/source", "github"),
        ({"name": ""}, "/name", "Use 1 or more characters."),
        ({"job": JOB | {"sparsity": 2}}, "/job/sparsity", "below 1"),
        ({"job": JOB | {"sparsty": 0.5}}, "/job/sparsty", "Did you mean sparsity?"),
        ({"job": {"sparsity": 0.5}}, "/job/dataset", "Add it."),
        ({"map": {}}, "/job/model", "Add it."),
        ({"job": JOB | {"gate": {"max": {"sparsity": float("nan")}}}}, "/job/gate", ""),
        ({"map": {"modell": "/a"}}, "/map/modell", "labels.NAME"),
        ({"map": {"labels": "/a"}}, "/map/labels", "labels.NAME"),
        ({"map": {"model.x": "/a"}}, "/map/model.x", "labels.NAME"),
        ({"map": {"labels.a b": "/a"}}, "/map/labels.a b", "Begin the name with a letter or"),
        ({"map": {"labels..a": "/a"}}, "/map/labels..a", "Begin the name with a letter or"),
        (
            {"job": JOB | {"labels": LABELS}, "map": {"model": "/a"}},
            "/job/labels",
            "Leave 1 of them out; a job may have 32",
        ),
        (
            {"job": JOB | {"labels": LABELS}, "map": {"model": "/a", "labels.b": "/b"}},
            "/job/labels",
            "Leave 2 of them out",
        ),
        ({"map": {"model": "a"}}, "/map/model", "matches"),
        ({"map": {"model": "/a~2"}}, "/map/model", "matches"),
        ({"filter": {"a": 1}}, "/filter/a", "matches"),
        ({"filter": {"/a": {"b": 1}}}, "/filter/~1a", "or a list of these"),
        ({"filter": {"/a": [[1]]}}, "/filter/~1a", "or a list of these"),
        ({"filter": {"/a": float("inf")}}, "/filter/~1a", "or a list of these"),
        ({"filter": {"/a": "\0"}}, "/filter/~1a", "or a list of these"),
        ({"filters": {}}, "/filters", "Did you mean filter?"),
    ],
)
def test_a_trigger_that_is_not_right_is_refused_with_the_remedy(
    client: TestClient, fields: dict[str, Any], pointer: str, hint: str
) -> None:
    headers = {"content-type": "application/json"}
    body = json.dumps(TRIGGER | fields)
    response = client.post("/v1/triggers", content=body, headers=headers)
    problem = response.json()
    assert (response.status_code, hint in problem["hint"]) == (422, True), problem
    assert problem["errors"][0]["pointer"].startswith(pointer)
    assert client.get("/v1/triggers").json()["data"] == []


def test_a_patch_changes_what_it_names_and_leaves_what_makes_a_job(client: TestClient) -> None:
    made = create(client)
    path = f"/v1/triggers/{made['id']}"
    del made["secret"]
    assert client.patch(path, json={}).json() == made
    changed = {"name": "other", "filter": {}, "job": JOB | {"method": "wanda"}}
    assert client.patch(path, json=changed).json() == made | changed
    refused = client.patch(path, json={"map": {}})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/job/model")
    assert client.patch(path, json={"source": "github"}).status_code == 422
    assert client.get(path).json() == made | changed


def test_a_rotation_shows_another_secret_and_keeps_the_old_one_for_a_while(
    client: TestClient,
) -> None:
    made = create(client)
    path = f"/v1/triggers/{made['id']}/rotate"
    response = client.post(path)
    rotated = response.json()
    assert response.headers["cache-control"] == "no-store"
    assert rotated["secret"] != made["secret"]
    left = datetime.fromisoformat(rotated["former_until"]) - datetime.now(UTC)
    assert timedelta(hours=23) < left <= timedelta(hours=24, minutes=1)
    assert client.post(path, json={"grace_s": 0}).json()["former_until"] is None


def test_a_test_says_what_a_call_would_start_and_writes_nothing(
    client: TestClient, sessions: Sessions, queue: ListQueue
) -> None:
    made = create(client)
    path = f"/v1/triggers/{made['id']}/test"
    tried = client.post(path, json={"payload": PUSH}).json()
    assert (tried["outcome"], tried["reason"]) == ("submitted", None)
    assert tried["job"]["spec"]["model"] == "org/model"
    assert tried["job"]["labels"]["trigger"] == made["id"]
    tried = client.post(path, json={"payload": {}}).json()
    assert (tried["outcome"], tried["job"]) == ("ignored", None)
    assert tried["reason"] == "the payload has no value at /event/scope"
    refused = client.post(path, json={"payload": PUSH | {"repo": {"type": "model"}}})
    assert (refused.status_code, refused.json()["code"]) == (422, "unmapped")
    with sessions() as session:
        for table in (Job, TriggerDelivery):
            assert session.scalar(select(func.count()).select_from(table)) == 0
    assert queue.ids == []


def test_the_calls_are_listed_page_by_page(client: TestClient) -> None:
    made = create(client)
    for number in range(3):
        call(client, made, idempotency_key=str(number))
    path = f"/v1/triggers/{made['id']}/deliveries"
    first = client.get(path, params={"limit": 2})
    page = first.json()
    assert [one["delivery_id"] for one in page["data"]] == ["2", "1"]
    following = client.get(first.headers["link"].partition(">")[0].lstrip("<")).json()
    assert [one["delivery_id"] for one in following["data"]] == ["0"]
    assert (page["has_more"], following["has_more"]) == (True, False)


def test_the_job_of_a_deleted_trigger_is_kept(client: TestClient) -> None:
    made = create(client)
    job = call(client, made).json()["job"]
    response = client.delete(f"/v1/triggers/{made['id']}")
    assert (response.status_code, response.content) == (204, b"")
    assert call(client, made).status_code == 404
    assert client.get(job).status_code == 200


@pytest.mark.parametrize("trigger_id", [NO_SUCH, "job_" + "0" * 32, "x"])
def test_a_trigger_that_is_not_there_is_a_problem(client: TestClient, trigger_id: str) -> None:
    for verb, below, body in (
        ("GET", "", None),
        ("PATCH", "", {}),
        ("DELETE", "", None),
        ("POST", "/rotate", None),
        ("POST", "/test", {"payload": 1}),
        ("GET", "/deliveries", None),
    ):
        response = client.request(verb, f"/v1/triggers/{trigger_id}{below}", json=body)
        assert (response.status_code, response.json()["code"]) == (404, "trigger_not_found")


def test_only_admins_see_triggers(guarded: TestClient, sessions: Sessions) -> None:
    _, usual = make_key(sessions)
    admin, written = make_key(sessions, AccessScope.admin)
    headers = {"authorization": f"Bearer {usual}"}
    for verb, below in (("GET", ""), ("POST", ""), ("POST", f"/{NO_SUCH}/test")):
        refused = guarded.request(verb, f"/v1/triggers{below}", headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (403, "missing_scope")
    made = create(guarded, {"authorization": f"Bearer {written}"})
    assert made["created_by"] == admin.id


def test_every_change_of_a_trigger_is_in_the_audit(client: TestClient) -> None:
    made = create(client)
    path = f"/v1/triggers/{made['id']}"
    client.patch(path, json={"name": "other"})
    client.post(f"{path}/rotate")
    client.post(f"{path}/test", json={"payload": PUSH})
    call(client, made)
    client.delete(path)
    entries = client.get("/v1/audit").json()["data"][::-1]
    assert [(one["action"], one["target"], one["status"]) for one in entries] == [
        ("create_trigger", path, 201),
        ("change_trigger", path, 200),
        ("rotate_trigger", f"{path}/rotate", 200),
        ("test_trigger", f"{path}/test", 200),
        ("delete_trigger", path, 204),
    ]


def test_a_trigger_uses_a_secret_of_its_key_and_no_payload_names_one(client: TestClient) -> None:
    job = JOB | {"model_secret": "hf"}
    refused = client.post("/v1/triggers", json=TRIGGER | {"job": job})
    assert (refused.status_code, refused.json()["code"]) == (422, "secret_not_found")
    client.put("/v1/secrets/hf", json={"value": "canary.trigger"})
    made = create(client, job=job)
    changed = {"job": JOB | {"model_secret": "none"}}
    assert client.patch(f"/v1/triggers/{made['id']}", json=changed).status_code == 422
    mapped = TRIGGER | {"map": {"model": "/repo/name", "model_secret": "/repo/name"}}
    refused = client.post("/v1/triggers", json=mapped)
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (422, "job_field")
