import logging
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from api.core.settings import ApiSettings
from db.core.session import Sessions
from tests.api.routes.integrations.webhooks import URL, create, put_test
from tests.factories import make_key
from tests.fakes import ListQueue

NO_SUCH = "whk_" + "0" * 32


def test_a_new_webhook_receives_final_events_and_shows_its_secret_once(client: TestClient) -> None:
    made = create(client)
    secret = made.pop("secret")
    assert secret.startswith("whsec_")
    assert made["events"] == ["job.succeeded", "job.failed", "job.cancelled", "job.expired"]
    assert (made["enabled"], made["description"], made["created_by"]) == (True, "", None)
    assert client.get(f"/v1/webhooks/{made['id']}").json() == made
    assert client.get("/v1/webhooks").json()["data"] == [made]
    put_test(client, made)
    for path in ("", f"/{made['id']}", f"/{made['id']}/deliveries"):
        assert secret not in client.get(f"/v1/webhooks{path}").text
    assert secret not in client.get("/v1/audit").text


def test_a_webhook_names_the_key_that_created_it(client: TestClient) -> None:
    key = client.post("/v1/keys", json={"name": "Ada", "scopes": ["admin"]}).json()
    headers = {"authorization": f"Bearer {key['key']}"}
    made = client.post("/v1/webhooks", json={"url": URL}, headers=headers).json()
    assert made["created_by"] == key["id"]


def test_the_list_is_newest_first(client: TestClient) -> None:
    made = [create(client, description=str(number))["id"] for number in range(3)]
    assert [one["id"] for one in client.get("/v1/webhooks").json()["data"]] == made[::-1]


@pytest.mark.parametrize(
    ("fields", "hint"),
    [
        ({"url": "https://10.0.0.1/"}, "ZPRUNER_WEBHOOK_NETWORKS"),
        ({"url": "http://hooks.example/"}, "Use https."),
        ({"url": "https://user:pass@hooks.example/"}, "Remove them"),
        ({"url": "hooks.example"}, "https://host/path"),
        ({"url": ""}, "Use 1 or more characters."),
        ({"url": None}, "Use a text."),
        ({"events": []}, "Use 1 or more."),
        ({"events": ["job.pruned"]}, "job.succeeded"),
        ({"event": ["job.failed"]}, "Did you mean events?"),
        ({"description": "a\nb"}, "matches"),
    ],
)
def test_a_webhook_that_is_not_right_is_refused_with_the_remedy(
    client: TestClient, fields: dict[str, Any], hint: str
) -> None:
    response = client.post("/v1/webhooks", json={"url": URL} | fields)
    problem = response.json()
    assert (response.status_code, hint in problem["hint"]) == (422, True), problem
    (field,) = problem["errors"]
    assert field["pointer"].split("/")[1] == next(iter(fields))
    assert client.get("/v1/webhooks").json()["data"] == []


def test_an_address_is_checked_when_it_changes_too(client: TestClient) -> None:
    made = create(client)
    refused = client.patch(f"/v1/webhooks/{made['id']}", json={"url": "https://127.0.0.1/"})
    problem = refused.json()
    assert (refused.status_code, problem["code"]) == (422, "address_refused")
    assert problem["detail"].startswith("url 'https://127.0.0.1/': is in a private network.")
    assert [one["pointer"] for one in problem["errors"]] == ["/url"]
    assert client.get(f"/v1/webhooks/{made['id']}").json()["url"] == URL


def test_the_operator_can_allow_a_private_network(settings: ApiSettings, queue: ListQueue) -> None:
    inside = settings.model_copy(update={"webhook_networks": (ip_network("10.0.0.0/8"),)})
    with TestClient(create_app(inside, queue), base_url="http://127.0.0.1") as client:
        create(client, url="http://10.0.0.1:9000/hook")
        refused = client.post("/v1/webhooks", json={"url": "http://192.168.0.1/"})
        assert refused.status_code == 422


def test_a_patch_changes_what_it_names(client: TestClient) -> None:
    made = create(client, description="before")
    path = f"/v1/webhooks/{made['id']}"
    del made["secret"]
    assert client.patch(path, json={}).json() == made
    changed = {"url": "https://new.example/", "description": "", "events": ["job.paused"]}
    assert client.patch(path, json=changed).json() == made | changed
    assert client.patch(path, json={"events": None}).json() == made | changed
    assert client.get(path).json() == made | changed


def test_a_webhook_is_disabled_and_enabled(client: TestClient) -> None:
    made = create(client)
    path = f"/v1/webhooks/{made['id']}"
    disabled = client.patch(path, json={"enabled": False}).json()
    assert (disabled["enabled"], disabled["disabled_reason"]) == (False, "by_request")
    assert disabled["disabled_at"] is not None
    again = client.patch(path, json={"enabled": False, "description": "off"}).json()
    assert again == disabled | {"description": "off"}
    refused = client.post(f"{path}/test")
    assert (refused.status_code, refused.json()["code"]) == (409, "webhook_disabled")
    assert refused.headers["x-should-retry"] == "false"
    assert "enabled" in refused.json()["hint"]
    enabled = client.patch(path, json={"enabled": True}).json()
    assert (enabled["enabled"], enabled["disabled_at"]) == (True, None)


def test_a_rotation_shows_another_secret_and_keeps_the_old_one_for_a_while(
    client: TestClient,
) -> None:
    made = create(client)
    path = f"/v1/webhooks/{made['id']}/rotate"
    response = client.post(path)
    rotated = response.json()
    assert response.headers["cache-control"] == "no-store"
    assert rotated["secret"] != made["secret"]
    left = datetime.fromisoformat(rotated["former_until"]) - datetime.now(UTC)
    assert timedelta(hours=23) < left <= timedelta(hours=24, minutes=1)
    assert client.post(path, json={"grace_s": 0}).json()["former_until"] is None
    assert client.post(path, json={"grace_s": -1}).status_code == 422


def test_a_deleted_webhook_loses_its_deliveries(client: TestClient) -> None:
    made = create(client)
    delivery = put_test(client, made)
    path = f"/v1/webhooks/{made['id']}"
    response = client.delete(path)
    assert (response.status_code, response.content) == (204, b"")
    for verb, below in (("DELETE", ""), ("GET", ""), ("GET", f"/deliveries/{delivery['id']}")):
        gone = client.request(verb, path + below)
        assert (gone.status_code, gone.json()["code"]) == (404, "webhook_not_found")


@pytest.mark.parametrize("webhook_id", [NO_SUCH, "job_" + "0" * 32, "x"])
def test_a_webhook_that_is_not_there_is_a_problem(client: TestClient, webhook_id: str) -> None:
    message = "/deliveries/msg_" + "0" * 32
    for verb, below in (
        ("GET", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        ("POST", "/rotate"),
        ("POST", "/test"),
        ("GET", "/deliveries"),
        ("GET", message),
        ("POST", f"{message}/redeliver"),
    ):
        body: dict[str, Any] | None = {} if verb == "PATCH" else None
        response = client.request(verb, f"/v1/webhooks/{webhook_id}{below}", json=body)
        assert (response.status_code, response.json()["code"]) == (404, "webhook_not_found")


def test_only_admins_see_webhooks(guarded: TestClient, sessions: Sessions) -> None:
    _, written = make_key(sessions)
    headers = {"authorization": f"Bearer {written}"}
    for verb, below in (("GET", ""), ("POST", ""), ("GET", f"/{NO_SUCH}/deliveries")):
        refused = guarded.request(verb, f"/v1/webhooks{below}", headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (403, "missing_scope")


def test_every_change_of_a_webhook_is_in_the_audit(client: TestClient) -> None:
    made = create(client)
    path = f"/v1/webhooks/{made['id']}"
    client.patch(path, json={"events": ["job.failed"]})
    client.post(f"{path}/rotate")
    delivery = put_test(client, made)
    client.post(f"{path}/deliveries/{delivery['id']}/redeliver")
    client.get(f"{path}/deliveries")
    client.delete(path)
    entries = client.get("/v1/audit").json()["data"][::-1]
    assert [(one["action"], one["target"], one["status"]) for one in entries] == [
        ("create_webhook", path, 201),
        ("change_webhook", path, 200),
        ("rotate_webhook", f"{path}/rotate", 200),
        ("test_webhook", f"{path}/deliveries/{delivery['id']}", 202),
        ("redeliver", f"{path}/deliveries/{delivery['id']}/redeliver", 202),
        ("delete_webhook", path, 204),
    ]


def test_no_log_of_the_service_holds_a_secret(
    client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        secret = create(client)["secret"]
        logging.getLogger("api").error("made %s", secret)
    assert "made whsec_***" in caplog.text
    assert secret not in caplog.text
