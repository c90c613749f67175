from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from api.core.settings import ApiSettings
from db.core.session import Sessions
from db.tables.access import AccessScope
from tests.db.conftest import (  # noqa: F401 - fixtures: the routes are tested on both databases
    database_url,
    migrated_postgres_url,
    postgres,
)
from tests.factories import make_key
from tests.fakes import ListQueue

VALUE = "canary.of-the-routes"
SECRET = {"name": "hf", "value": VALUE}


def bearer(sessions: Sessions, *scopes: AccessScope) -> tuple[str, dict[str, str]]:
    key, token = make_key(sessions, *scopes)
    return key.id, {"authorization": f"Bearer {token}"}


def names(client: TestClient, headers: dict[str, str]) -> list[tuple[str, str]]:
    rows = client.get("/v1/secrets", headers=headers).json()["data"]
    return [(row["name"], row["created_by"]) for row in rows]


def test_a_secret_is_stored_replaced_and_deleted_and_never_shown(client: TestClient) -> None:
    created = client.post("/v1/secrets", json=SECRET)
    assert (created.status_code, created.headers["location"]) == (201, "/v1/secrets/hf")
    again = client.post("/v1/secrets", json=SECRET)
    assert (again.status_code, again.json()["code"]) == (409, "secret_exists")
    replaced = client.put("/v1/secrets/hf", json={"value": f"{VALUE}.2"})
    assert (replaced.status_code, replaced.json()["replaced_at"] is None) == (200, False)
    new = client.put("/v1/secrets/other", json={"value": VALUE})
    assert (new.status_code, new.json()["created_by"]) == (201, None)
    listed = client.get("/v1/secrets")
    assert [one["name"] for one in listed.json()["data"]] == ["hf", "other"]
    assert client.delete("/v1/secrets/hf").status_code == 204
    missing = client.delete("/v1/secrets/hf")
    assert (missing.status_code, missing.json()["code"]) == (404, "secret_not_found")
    audit = client.get("/v1/audit")
    done = [(one["action"], one["target"], one["status"]) for one in audit.json()["data"]]
    assert ("create_secret", "/v1/secrets/hf", 201) in done
    assert ("set_secret", "/v1/secrets/hf", 200) in done
    assert ("delete_secret", "/v1/secrets/hf", 204) in done
    for response in (created, again, replaced, new, listed, missing, audit):
        assert "canary" not in response.text


def test_only_an_admin_sees_and_deletes_the_secrets_of_another_key(
    guarded: TestClient, sessions: Sessions
) -> None:
    our_id, ours = bearer(sessions)
    their_id, theirs = bearer(sessions)
    _, admin = bearer(sessions, AccessScope.admin)
    _, reader = bearer(sessions, AccessScope.jobs_read)
    for headers in (ours, theirs):
        assert guarded.post("/v1/secrets", json=SECRET, headers=headers).status_code == 201
    assert names(guarded, ours) == [("hf", our_id)]
    assert names(guarded, reader) == []
    assert guarded.post("/v1/secrets", json=SECRET, headers=reader).status_code == 403
    stolen = guarded.delete("/v1/secrets/hf", params={"key": our_id}, headers=theirs)
    assert stolen.status_code == 404
    assert names(guarded, admin) == sorted([("hf", our_id), ("hf", their_id)])
    deleted = guarded.delete("/v1/secrets/hf", params={"key": our_id}, headers=admin)
    assert deleted.status_code == 204
    assert (names(guarded, ours), names(guarded, theirs)) == ([], [("hf", their_id)])
    missing = guarded.delete("/v1/secrets/hf", params={"key": "none"}, headers=admin)
    assert missing.status_code == 404


@pytest.mark.parametrize(
    ("body", "code", "detail"),
    [
        ({"value": "canary"}, "string_too_short", "value: "),
        ({"value": "canary with spaces"}, "string_pattern_mismatch", "value: "),
        ({"vaule": "canary.misspelt"}, "extra_forbidden", "vaule: is not a field"),
        ("canary.alone", "model_attributes_type", "body: "),
    ],
)
def test_an_invalid_request_names_the_field_but_quotes_no_value(
    client: TestClient, body: Any, code: str, detail: str
) -> None:
    refused = client.put("/v1/secrets/hf", json=body)
    assert refused.status_code == 422
    assert code in {one["code"] for one in refused.json()["errors"]}
    assert detail in refused.json()["detail"]
    assert "canary" not in refused.text


def test_an_invalid_name_is_quoted(client: TestClient) -> None:
    created = client.post("/v1/secrets", json={"name": "a b", "value": VALUE})
    replaced = client.put("/v1/secrets/a b", json={"value": VALUE})
    for refused in (created, replaced):
        assert "name 'a b': " in refused.json()["detail"]
        assert "canary" not in refused.text


def test_without_an_encryption_key_the_problem_names_the_settings(
    settings: ApiSettings, queue: ListQueue
) -> None:
    app = create_app(settings.model_copy(update={"secrets_key": None}), queue)
    with TestClient(app, base_url="http://127.0.0.1") as client:
        refused = client.post("/v1/secrets", json=SECRET)
    assert (refused.status_code, refused.json()["code"]) == (503, "encryption_key")
    assert "ZPRUNER_SECRETS_KEY" in refused.json()["hint"]
    assert "secrets.key cannot be read (FileNotFoundError)" in refused.json()["detail"]
