"""Calls of triggers start their jobs once."""

import json
from typing import Any
from urllib.parse import urlencode

import pytest
from fastapi.testclient import TestClient

from api.triggers.sources.registry import SOURCES as BY_NAME
from api.triggers.sources.source import Call
from db.access.keys import Quotas
from db.core.session import Sessions
from db.files.artifact_store import ArtifactStore
from db.tables.access import AccessScope
from db.tables.triggers import TriggerSource
from tests.api.calls import COMMIT, JOB, PUSH, call, create, deliveries, jobs, proof
from tests.api.work import finish
from tests.factories import make_key
from tests.fakes import ListQueue

SOURCES = list(TriggerSource)
BODY = json.dumps(PUSH).encode()


@pytest.mark.parametrize("source", SOURCES)
def test_a_call_that_proves_itself_starts_the_job(
    client: TestClient, queue: ListQueue, source: str
) -> None:
    trigger = create(client, source=source)
    answer = call(client, trigger)
    result = answer.json()
    assert (answer.status_code, result["outcome"]) == (202, "submitted"), result
    assert answer.headers["location"] == result["job"]
    assert answer.headers["ratelimit-remaining"]
    job = client.get(result["job"]).json()
    assert (job["id"], job["status"]) == (result["job_id"], "queued")
    assert job["spec"]["model"] == "org/model"
    assert job["labels"] == {"commit": COMMIT, "trigger": trigger["id"]}
    assert queue.ids == [job["id"]]
    (kept,) = deliveries(client, trigger)
    assert (kept["outcome"], kept["job_id"]) == ("submitted", job["id"])
    assert kept["delivery_id"] == result["delivery_id"]


@pytest.mark.parametrize("source", SOURCES)
def test_the_same_delivery_again_is_answered_as_the_first_time(
    client: TestClient, sessions: Sessions, queue: ListQueue, source: str
) -> None:
    trigger = create(client, source=source)
    first = call(client, trigger)
    client.delete(first.json()["job"])
    again = call(client, trigger)
    assert (again.status_code, again.json()) == (202, first.json())
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert (jobs(sessions), len(queue.ids), len(deliveries(client, trigger))) == (1, 1, 1)
    other = create(client, source=source)
    assert call(client, other).json()["job"] != first.json()["job"]


def test_deliveries_are_told_apart_by_name_or_else_by_what_they_say() -> None:
    named = {"x-github-delivery": "a", "webhook-id": "b", "x-mlflow-delivery-id": "c"}
    names = {
        one: source.call_name(Call(named | {"idempotency-key": "d"}, b"")).delivery_id
        for one, source in BY_NAME.items()
    }
    by_header = {"github": "a", "standard": "b", "mlflow": "c", "huggingface": "d", "generic": "d"}
    assert names | by_header == names
    generic = BY_NAME[TriggerSource.generic]
    plain = generic.call_name(Call({}, b"1")).delivery_id
    assert plain == "sha256:6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b"
    for long in ("a" * 201, "a b", "ä"):
        name = generic.call_name(Call({"idempotency-key": long}, b"1")).delivery_id
        assert name.startswith("sha256:")
        assert name != plain


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"event": {"scope": "discussion"}}, "/event/scope does not match the filter"),
        ({"event": {"scope": ["repo"]}}, "/event/scope does not match the filter"),
        ({"event": {}}, "the payload has no value at /event/scope"),
        ({"event": None}, "the payload has no value at /event/scope"),
    ],
)
def test_what_the_filter_does_not_want_is_ignored_with_the_reason(
    client: TestClient, sessions: Sessions, changes: Any, reason: str
) -> None:
    trigger = create(client)
    for _ in range(2):
        answer = call(client, trigger, PUSH | changes)
        result = answer.json()
        assert (answer.status_code, result["outcome"], result["reason"]) == (200, "ignored", reason)
    (kept,) = deliveries(client, trigger)
    assert (kept["reason"], kept["job_id"], jobs(sessions)) == (reason, None, 0)


@pytest.mark.parametrize(
    ("wanted", "payload", "fits"),
    [
        ({"/a/0/b~1c~0d": 1}, {"a": [{"b/c~d": 1}]}, True),
        ({"/a": True}, {"a": 1}, False),
        ({"/a": 1}, {"a": 1.0}, True),
        ({"/a": None}, {"a": None}, True),
        ({"/a": None}, {}, False),
        ({"/a/-": 1}, {"a": [1]}, False),
        ({"/a/01": 1}, {"a": [0, 1]}, False),
        ({"/a/1": 1}, {"a": [1]}, False),
        ({"/a/0": 1}, {"a": {"0": 1}}, True),
        ({"": "all"}, "all", True),
        ({"/": 1}, {"": 1}, True),
        ({"/a": []}, {"a": 1}, False),
        ({}, 7, True),
    ],
)
def test_a_filter_compares_as_json_does(
    client: TestClient, wanted: Any, payload: Any, fits: bool
) -> None:
    trigger = create(client, filter=wanted, job=JOB | {"model": "org/model"}, map={})
    assert call(client, trigger, payload).status_code == (202 if fits else 200)


def test_githubs_ping_starts_nothing(client: TestClient, sessions: Sessions) -> None:
    trigger = create(client, source="github", filter={})
    answer = call(client, trigger, {"zen": "Design for failure."}, X_GitHub_Event="ping")
    assert (answer.status_code, answer.json()["outcome"]) == (200, "ignored")
    assert answer.json()["reason"] == "a ping starts no job"
    assert jobs(sessions) == 0


@pytest.mark.parametrize(
    ("repo", "code", "field"),
    [
        ({"type": "model"}, "unmapped", "/model"),
        ({"type": "model", "name": 7, "headSha": "a"}, "invalid_request", "/model"),
        ({"type": "model", "name": "../up", "headSha": "a"}, "invalid_name", "/model"),
        ({"type": "model", "name": "org/model", "headSha": 7}, "invalid_request", "/labels/commit"),
    ],
)
def test_what_makes_no_job_is_refused_and_written_down(
    client: TestClient, sessions: Sessions, repo: Any, code: str, field: str
) -> None:
    trigger = create(client)
    answer = call(client, trigger, PUSH | {"repo": repo})
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, code)
    assert [one["pointer"] for one in problem["errors"]] == [field]
    assert client.get(problem["type"]).status_code == 200
    (kept,) = deliveries(client, trigger)
    assert (kept["outcome"], kept["problem"]) == ("refused", problem)
    assert jobs(sessions) == 0


@pytest.mark.parametrize("body", [b"", b"payload=%7B%7D", b'{"a": NaN}', b"[" * 5000, b'"\\ud800"'])
def test_a_body_that_is_no_json_is_refused(client: TestClient, body: bytes) -> None:
    trigger = create(client)
    answer = client.post(trigger["hook"], content=body, headers=proof(trigger, body))
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_json")
    assert deliveries(client, trigger)[0]["outcome"] == "refused"


def test_a_refused_delivery_can_come_again_once_the_trigger_is_mended(
    client: TestClient, sessions: Sessions
) -> None:
    trigger = create(client, source="github", map={"model": "/repo/id"})
    first = call(client, trigger)
    assert call(client, trigger).json()["detail"] == first.json()["detail"]
    path = f"/v1/triggers/{trigger['id']}"
    assert client.patch(path, json={"map": {"model": "/repo/name"}}).status_code == 200
    assert (first.status_code, call(client, trigger).status_code) == (422, 202)
    assert call(client, trigger).headers["idempotency-replayed"] == "true"
    (kept,) = deliveries(client, trigger)
    assert (kept["outcome"], kept["problem"], jobs(sessions)) == ("submitted", None, 1)


def test_a_job_counts_for_the_key_that_made_the_trigger(
    client: TestClient, sessions: Sessions
) -> None:
    quotas = Quotas(jobs_in_flight=1)
    key, written = make_key(sessions, AccessScope.admin, name="ci", quotas=quotas)
    trigger = create(client, {"authorization": f"Bearer {written}"})
    result = call(client, trigger, idempotency_key="1").json()
    assert client.get(result["job"]).json()["created_by"] == key.id
    full = call(client, trigger, idempotency_key="2")
    assert (full.status_code, full.json()["code"]) == (429, "quota_exceeded")
    assert full.headers["retry-after"]
    client.post(f"{result['job']}/cancel")
    assert call(client, trigger, idempotency_key="2").status_code == 202


def test_the_trigger_of_a_revoked_key_starts_nothing_and_says_why(
    client: TestClient, sessions: Sessions
) -> None:
    key, written = make_key(sessions, AccessScope.admin)
    trigger = create(client, {"authorization": f"Bearer {written}"})
    client.delete(f"/v1/keys/{key.id}")
    answer = call(client, trigger)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (409, "trigger_key_ended")
    assert key.id in problem["detail"]
    assert "Create the trigger again" in problem["hint"]
    (kept,) = deliveries(client, trigger)
    assert (kept["outcome"], jobs(sessions)) == ("refused", 0)
    tried = client.post(f"/v1/triggers/{trigger['id']}/test", json={"payload": PUSH})
    assert tried.json()["code"] == "trigger_key_ended"


def test_an_identical_job_is_reused_where_the_template_says_so(
    client: TestClient, queue: ListQueue, sessions: Sessions, store: ArtifactStore
) -> None:
    trigger = create(client, job=JOB | {"reuse": "if_succeeded"})
    first = call(client, trigger, idempotency_key="1").json()
    finish(sessions, store, first["job_id"])
    second = call(client, trigger, idempotency_key="2")
    assert (second.status_code, second.json()["job"]) == (202, first["job"])
    assert queue.ids == [first["job_id"]]


def test_githubs_delivery_with_another_id_is_the_same_one(
    client: TestClient, sessions: Sessions
) -> None:
    """Its signature covers the body alone, so a recorded call can be sent under any id."""
    trigger = create(client, source="github")
    first = call(client, trigger)
    again = call(client, trigger, X_GitHub_Delivery="two")
    assert (first.status_code, again.status_code) == (202, 202)
    assert again.json() == first.json()
    assert again.headers["idempotency-replayed"] == "true"
    assert jobs(sessions) == len(deliveries(client, trigger)) == 1
    other = call(client, trigger, PUSH | {"other": 1}, X_GitHub_Delivery="three")
    assert (other.status_code, jobs(sessions)) == (202, 2)


def test_githubs_refused_delivery_is_tried_anew_under_another_id(
    client: TestClient, sessions: Sessions
) -> None:
    trigger = create(client, source="github", map={"model": "/repo/id"})
    assert call(client, trigger).status_code == 422
    client.patch(f"/v1/triggers/{trigger['id']}", json={"map": {"model": "/repo/name"}})
    assert call(client, trigger, X_GitHub_Delivery="two").status_code == 202
    assert jobs(sessions) == len(deliveries(client, trigger)) == 1


def test_of_a_source_that_sends_its_secret_one_body_under_two_ids_is_two_deliveries(
    client: TestClient, sessions: Sessions
) -> None:
    trigger = create(client, source="generic")
    for name in ("one", "two"):
        assert call(client, trigger, Idempotency_Key=name).status_code == 202
    assert jobs(sessions) == 2


FORM = "application/x-www-form-urlencoded"


def form(client: TestClient, trigger: Any, body: bytes) -> Any:
    headers = proof(trigger, body) | {"content-type": f"{FORM}; charset=utf-8"}
    return client.post(trigger["hook"], content=body, headers=headers)


def test_githubs_form_is_understood(client: TestClient) -> None:
    trigger = create(client, source="github")
    answer = form(client, trigger, urlencode({"payload": json.dumps(PUSH)}).encode())
    assert (answer.status_code, answer.json()["outcome"]) == (202, "submitted")


@pytest.mark.parametrize(
    ("source", "body", "said"),
    [
        ("github", b"other=1", "must have exactly one field payload"),
        ("github", b"payload=1&payload=2", "must have exactly one field payload"),
        ("github", b"payload", "bad query field"),
        ("generic", b"payload=%7B%7D", "send application/json"),
    ],
)
def test_another_form_is_refused_by_its_name(
    client: TestClient, source: str, body: bytes, said: str
) -> None:
    answer = form(client, create(client, source=source), body)
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_json")
    assert said in answer.json()["detail"]
    assert said == "bad query field" or FORM in answer.json()["detail"]
