"""Calls of triggers authenticate with the secret; others are refused."""

import json
import logging
import time
from datetime import UTC, datetime

import pytest
from fastapi.testclient import TestClient
from standardwebhooks.webhooks import Webhook as Signer

from api.app import create_app
from api.core.settings import ApiSettings
from api.triggers.sources.registry import SOURCES as BY_NAME
from api.triggers.sources.source import Call
from db.core.session import Sessions
from db.tables.access import AccessScope
from db.tables.triggers import TriggerSource
from tests.api.calls import NO_SUCH, PUSH, call, create, deliveries, jobs, proof
from tests.factories import make_key
from tests.fakes import ListQueue

SOURCES = list(TriggerSource)
BODY = json.dumps(PUSH).encode()


def test_the_signature_of_githubs_own_example_is_a_proof() -> None:
    signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    github = BY_NAME[TriggerSource.github]
    secrets = ["another", "It's a Secret to Everybody"]
    signed = Call({"x-hub-signature-256": signature}, b"Hello, World!")
    assert github.is_authentic(secrets, signed)
    assert not github.is_authentic(secrets[:1], signed)
    assert not github.is_authentic([], signed)
    other = Call({"x-hub-signature-256": signature}, b"Hello, World")
    assert not github.is_authentic(secrets, other)


@pytest.mark.parametrize("source", SOURCES)
def test_an_unauthenticated_call_gets_no_details_and_stores_nothing(
    client: TestClient, sessions: Sessions, source: str
) -> None:
    trigger, foreign = create(client, source=source), create(client, source=source)
    right = proof(trigger, BODY)
    names = [name for name in right if name != "X-GitHub-Delivery"]
    others = ("", "x", "ä")
    wrong = [right | {name: other} for name in names for other in (*others, right[name] + "x")]
    wrong += [{}, proof(foreign, BODY)]
    wrong += [{k: v for k, v in right.items() if k != name} for name in names]
    problems = []
    for headers in wrong:
        sent = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        answer = client.post(trigger["hook"], content=BODY, headers=sent)
        assert (answer.status_code, answer.json()["code"]) == (401, "unproven_call"), headers
        assert answer.headers["www-authenticate"]
        problems.append({**answer.json(), "request_id": ""})
    assert all(one == problems[0] for one in problems)
    if source in {"github", "mlflow", "standard"}:
        altered = client.post(trigger["hook"], content=BODY + b" ", headers=right)
        assert altered.status_code == 401
    assert (jobs(sessions), deliveries(client, trigger)) == (0, [])


@pytest.mark.parametrize("source", ["mlflow", "standard"])
@pytest.mark.parametrize(("age_s", "status"), [(-240, 202), (240, 202), (-360, 401), (360, 401)])
def test_what_was_signed_more_than_five_minutes_away_is_no_proof(
    client: TestClient, source: str, age_s: float, status: int
) -> None:
    trigger = create(client, source=source)
    headers = proof(trigger, BODY, time.time() - age_s)
    assert client.post(trigger["hook"], content=BODY, headers=headers).status_code == status


def test_a_moment_that_is_no_number_is_no_proof(client: TestClient) -> None:
    trigger = create(client, source="standard")
    for moment in ("", "soon", "9" * 5000, "-1", "1e9"):
        headers = proof(trigger, BODY) | {"webhook-timestamp": moment}
        assert client.post(trigger["hook"], content=BODY, headers=headers).status_code == 401


def test_a_library_of_standard_webhooks_signs_what_is_taken(client: TestClient) -> None:
    trigger, now = create(client, source="standard"), datetime.now(UTC)
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Signer(trigger["secret"]).sign("msg_1", now, BODY.decode()),
    }
    answer = client.post(trigger["hook"], content=BODY, headers=headers)
    assert (answer.status_code, answer.json()["delivery_id"]) == (202, "msg_1")


def test_after_a_rotation_both_secrets_are_good_for_a_while(client: TestClient) -> None:
    old = create(client)
    new = client.post(f"/v1/triggers/{old['id']}/rotate").json()
    assert call(client, old, idempotency_key="1").status_code == 202
    assert call(client, new, idempotency_key="2").status_code == 202
    newest = client.post(f"/v1/triggers/{old['id']}/rotate", json={"grace_s": 0}).json()
    assert call(client, new, idempotency_key="3").status_code == 401
    assert call(client, newest, idempotency_key="3").status_code == 202


@pytest.mark.parametrize("trigger_id", [NO_SUCH, "x", "job_" + "0" * 32])
def test_a_trigger_that_is_not_there_is_a_problem_like_the_others(
    client: TestClient, trigger_id: str
) -> None:
    answer = client.post(f"/v1/hooks/{trigger_id}", content=BODY)
    assert (answer.status_code, answer.json()["code"]) == (404, "trigger_not_found")
    refused = client.post(create(client)["hook"], content=BODY)
    assert set(refused.json()) == set(answer.json())


def test_a_body_of_more_than_a_mebibyte_is_refused(client: TestClient) -> None:
    trigger = create(client)
    body = b'"' + b"a" * (1 << 20) + b'"'
    answer = client.post(trigger["hook"], content=body, headers=proof(trigger, body))
    assert answer.status_code == 413
    chunks = (body[start : start + 65536] for start in range(0, len(body), 65536))
    answer = client.post(trigger["hook"], content=chunks, headers=proof(trigger, body))
    assert answer.status_code == 413


def test_a_hook_is_open_where_everything_else_needs_a_key(
    guarded: TestClient, sessions: Sessions
) -> None:
    _, written = make_key(sessions, AccessScope.admin)
    admin = {"authorization": f"Bearer {written}"}
    trigger = create(guarded, admin)
    assert call(guarded, trigger).status_code == 202
    for verb, path in (
        ("GET", trigger["hook"]),
        ("PUT", trigger["hook"]),
        ("POST", f"{trigger['hook']}/"),
        ("POST", f"{trigger['hook']}/more"),
        ("POST", "/v1/hooks"),
        ("POST", "/v1/hooks/"),
        ("POST", f"/v1/triggers/{trigger['id']}/test"),
    ):
        assert guarded.request(verb, path, headers=proof(trigger, b"")).status_code == 401, path
    audit = guarded.get("/v1/audit", headers=admin).json()["data"]
    assert [(one["action"], one["status"]) for one in audit] == [("create_trigger", 201)]


def test_calls_are_counted_by_address_before_anything_is_looked_up(
    settings: ApiSettings, queue: ListQueue
) -> None:
    slow = settings.model_copy(update={"rate_limit_per_minute": 1, "rate_limit_burst": 2})
    with TestClient(create_app(slow, queue), base_url="http://127.0.0.1") as client:
        answers = [client.post(f"/v1/hooks/{NO_SUCH}", content=b"{}") for _ in range(3)]
    assert [one.status_code for one in answers] == [404, 404, 429]
    assert int(answers[2].headers["retry-after"]) > 50
    assert [one.headers["ratelimit-remaining"] for one in answers] == ["1", "0", "0"]


def test_no_log_holds_what_a_call_proves_itself_with(
    client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    trigger = create(client)
    with caplog.at_level(logging.DEBUG):
        call(client, trigger)
        client.post(trigger["hook"], content=b"{}", headers={"authorization": "Bearer wrong"})
    assert f"a call of trigger {trigger['id']} is not authenticated" in caplog.text
    assert trigger["secret"] not in caplog.text
