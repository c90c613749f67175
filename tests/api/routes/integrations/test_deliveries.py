"""Routes of a webhook's deliveries."""

import json
from typing import Any

from fastapi.testclient import TestClient

from db.core.session import Sessions
from db.events.event_order import order_events
from db.webhooks.dispatch import DispatchRepository, SendResult
from db.webhooks.fanout import fan_out
from tests.api.routes.integrations.webhooks import create, put_test

JOB = {"model": "org/model", "sparsity": 0.5, "dataset": "wikitext2"}


def send(sessions: Sessions, *outcomes: SendResult) -> None:
    """Have what is due answered, the oldest first."""
    with sessions.begin() as session:
        dispatch = DispatchRepository(session)
        for claimed, outcome in zip(dispatch.claim(len(outcomes)), outcomes, strict=True):
            assert dispatch.record_result(claimed, outcome)


def test_a_delivery_that_is_not_there_is_a_problem(client: TestClient) -> None:
    made, other = create(client), create(client)
    foreign = put_test(client, other)["id"]
    for delivery_id in ("msg_" + "0" * 32, foreign, "x"):
        path = f"/v1/webhooks/{made['id']}/deliveries/{delivery_id}"
        for response in (client.get(path), client.post(f"{path}/redeliver")):
            assert (response.status_code, response.json()["code"]) == (404, "delivery_not_found")


def test_a_test_message_is_pending_and_later_has_its_outcome(
    client: TestClient, sessions: Sessions
) -> None:
    made = create(client)
    queued = put_test(client, made)
    assert (queued["type"], queued["status"], queued["last"]) == ("webhook.test", "pending", None)
    path = f"/v1/webhooks/{made['id']}/deliveries/{queued['id']}"
    waiting = client.get(path).json()
    assert (json.loads(waiting["body"])["id"], waiting["log"]) == (queued["id"], [])

    send(sessions, SendResult(0.5, 503))
    tried = client.get(path).json()
    assert (tried["status"], tried["attempts"]) == ("pending", 1)
    assert tried["next_attempt_at"] > tried["last"]["at"]

    again = client.post(f"{path}/redeliver")
    assert (again.status_code, again.json()["attempts"]) == (202, 0)
    send(sessions, SendResult(0.25, 204))
    done = client.get(path).json()
    assert (done["status"], done["attempts"], done["id"]) == ("delivered", 1, queued["id"])
    assert [one["status"] for one in done["log"]] == [503, 204]
    assert done["last"] == done["log"][-1]


def test_deliveries_are_read_page_by_page_and_by_status(
    client: TestClient, sessions: Sessions
) -> None:
    made = create(client)
    ids = [put_test(client, made)["id"] for _ in range(5)]
    send(sessions, SendResult(1, 204), SendResult(1, 410))
    base = f"/v1/webhooks/{made['id']}/deliveries"
    seen, path = list[str](), f"{base}?limit=2"
    while path:
        response = client.get(path)
        assert all("body" not in one for one in response.json()["data"])
        seen += [one["id"] for one in response.json()["data"]]
        path = response.headers.get("link", "")[1:].partition(">")[0]
    assert seen == ids[::-1]
    for status, wanted in (("delivered", ids[:1]), ("failed", ids[1:2]), ("pending", ids[:1:-1])):
        found = client.get(base, params={"status": status}).json()["data"]
        assert [one["id"] for one in found] == wanted
    assert client.get(f"/v1/webhooks/{made['id']}").json()["disabled_reason"] == "gone"
    refused = client.get(base, params={"cursor": "x", "state": "failed"}).json()
    assert "Did you mean status?" in refused["hint"]


def test_a_job_that_is_submitted_arrives_at_whoever_asked_for_it(
    client: TestClient, sessions: Sessions
) -> None:
    made = create(client, events=["job.queued", "job.cancelled"])
    job = client.post("/v1/jobs", json=JOB | {"labels": {"team": "nlp"}}).json()
    client.post(f"/v1/jobs/{job['id']}/cancel")
    order_events(sessions)
    fan_out(sessions)
    listed = client.get(f"/v1/webhooks/{made['id']}/deliveries").json()["data"]
    assert [one["type"] for one in listed] == ["job.cancelled", "job.queued"]
    assert {one["job_id"] for one in listed} == {job["id"]}
    path = f"/v1/webhooks/{made['id']}/deliveries/{listed[0]['id']}"
    body: dict[str, Any] = json.loads(client.get(path).json()["body"])
    assert (body["subject"], body["data"]["job"]["labels"]) == (job["id"], {"team": "nlp"})
