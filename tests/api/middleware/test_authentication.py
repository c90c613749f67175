"""Authentication and scopes of every route in the OpenAPI document."""

import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import event, update

from api.app import create_app
from api.core.scopes import needed_for
from api.core.settings import ApiSettings
from api.middleware import identity
from db.access.keys import KeyRepository
from db.access.tokens import Token
from db.core.ids import new_id
from db.core.session import Sessions
from db.tables.access import AccessScope, ApiKey
from tests.api.live import serving
from tests.api.requests import NO_SUCH, bearer, operations, refusal
from tests.factories import make_key
from tests.fakes import ListQueue

PAST = datetime(2020, 1, 1, tzinfo=UTC)
OPEN = {"get /healthz", "get /readyz", f"post /v1/hooks/trg_{NO_SUCH}"}


def test_every_operation_documents_its_scope_and_requires_exactly_that(
    guarded: TestClient, sessions: Sessions
) -> None:
    tokens = {scope: make_key(sessions, scope)[1] for scope in AccessScope}
    seen = 0
    for verb, path, needed in operations(guarded):
        name = f"{verb} {path}"
        if needed is None:
            assert name in OPEN
            assert guarded.request(verb, path).status_code not in {401, 403}
            continue
        seen += 1
        without = guarded.request(verb, path)
        assert without.status_code == 401, name
        assert without.headers["www-authenticate"].startswith("Bearer")
        for scope, token in tokens.items():
            response = guarded.request(verb, path, headers=bearer(token))
            if scope in needed or scope is AccessScope.admin or not needed:
                assert response.status_code not in {401, 403}, (name, scope)
            else:
                assert response.status_code == 403, (name, scope)
                if verb != "head":
                    assert response.json()["code"] == "missing_scope"
                    assert needed[0] in response.json()["detail"]
                    assert needed[0] in response.headers["www-authenticate"]
    assert seen > 20


def writings(path: str) -> Iterator[str]:
    """Yield other spellings of a path, which a server may or may not treat as the same."""
    yield from (
        path + ending for ending in ("", "%0A", "%0D", "%00", "%0D%0A", "/", "/.", "?", "%3F")
    )
    yield from (path.replace("/", slash, 2) for slash in ("//", "/./", "%2F", "/%0A", "/x/../"))
    yield f"/%76{path[2:]}"
    yield f"{path[:-1]}%{ord(path[-1]):02x}"
    yield path.upper()


def test_no_spelling_of_a_path_permits_a_request_without_the_scope(
    settings: ApiSettings, queue: ListQueue, guarded: TestClient, sessions: Sessions
) -> None:
    others = {
        scope: make_key(sessions, *(set(AccessScope) - {scope, AccessScope.admin}))[1]
        for scope in AccessScope
    }
    app = create_app(settings.model_copy(update={"auth": "keys"}), queue)
    seen = set()
    with serving(app) as url, closing(HTTPConnection(urlsplit(url).netloc)) as line:
        for verb, path, needed in operations(guarded):
            if not needed:
                continue
            for written in writings(path):
                line.request(verb.upper(), written, headers=bearer(others[AccessScope(needed[0])]))
                answer = line.getresponse()
                answer.read()
                is_path = written.startswith("/")
                assert answer.status in ({403, 404, 405, 307} if is_path else {400}), (
                    verb,
                    written,
                )
                seen.add(answer.status)
    assert {403, 404} <= seen


def test_a_path_with_a_control_character_is_not_found(
    guarded: TestClient, sessions: Sessions
) -> None:
    _, written = make_key(sessions, AccessScope.admin)
    for path in ("/v1/keys%0A", "/v1/keys/a%00b", "/healthz%0A", "/v1/jobs%7F"):
        assert refusal(guarded.get(path, headers=bearer(written))) == (404, "not_found")


def test_the_required_scope_is_that_of_the_matching_route(
    settings: ApiSettings, queue: ListQueue, sessions: Sessions
) -> None:
    """With such a prefix the path alone looks like one that needs a lesser scope."""
    _, written = make_key(sessions, AccessScope.jobs_read)
    app = create_app(settings.model_copy(update={"auth": "keys"}), queue)
    client = TestClient(app, base_url="http://127.0.0.1", root_path="/v1")
    assert refusal(client.get("/v1/v1/keys", headers=bearer(written))) == (403, "missing_scope")


def test_paths_without_an_operation_are_public_or_need_a_key(guarded: TestClient) -> None:
    for path in (
        "/docs",
        "/docs/start.js",
        "/openapi.json",
        "/problems",
        "/problems/missing_scope",
    ):
        assert guarded.get(path).status_code == 200
    assert guarded.get("/nowhere").status_code == 404
    for path in ("/v1", "/v1/nowhere", "/v1/keys/", "/metrics"):
        assert guarded.get(path).status_code == 401


@pytest.mark.parametrize("path", ["/v1/keys/a\nb", "/v1/audit/x", "/v1/keys"])
def test_no_spelling_of_a_path_needs_a_lesser_scope(path: str) -> None:
    assert needed_for("GET", path) == frozenset({AccessScope.admin})


def test_a_path_prefix_does_not_lower_the_required_scope(
    settings: ApiSettings, queue: ListQueue
) -> None:
    app = create_app(settings.model_copy(update={"auth": "keys"}), queue)
    for prefix in ("/prefix", "/v"):
        client = TestClient(app, base_url="http://127.0.0.1", root_path=prefix)
        for path in ("/v1/jobs", f"{prefix}/v1/jobs"):
            assert client.get(path).status_code == 401


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ("Basic QWRhOmh1bnRlcjI=", "Bearer"),
        ("Bearer", "does not look like"),
        ("Bearer hunter2", "does not look like"),
        ("Bearer zpr_" + NO_SUCH + "_" + "a" * 46, "typing error"),
    ],
)
def test_a_header_without_a_key_is_refused_and_not_repeated(
    client: TestClient, header: str, told: str
) -> None:
    response = client.get("/v1/jobs", headers={"authorization": header})
    assert refusal(response) == (401, "unauthenticated")
    assert told in response.json()["detail"]
    assert "invalid_token" in response.headers["www-authenticate"]
    assert "hunter2" not in response.text
    assert "aaaa" not in response.text


def test_a_key_is_checked_even_where_none_is_needed(client: TestClient, sessions: Sessions) -> None:
    reader, written = make_key(sessions, AccessScope.jobs_read, name="reader")
    assert client.get("/v1/me").json()["name"] == "this machine"
    assert client.get("/v1/me", headers=bearer(written)).json()["name"] == "reader"
    refused = client.post("/v1/jobs", json={}, headers=bearer(written))
    assert refusal(refused) == (403, "missing_scope")
    _, expired = make_key(sessions, expires_at=PAST)
    response = client.get("/v1/jobs", headers=bearer(expired))
    assert refusal(response) == (401, "unauthenticated")
    assert "expired at 2020-01-01" in response.json()["detail"]
    client.delete(f"/v1/keys/{reader.id}")
    response = client.get("/v1/jobs", headers=bearer(written))
    assert "was revoked" in response.json()["detail"]


def test_a_key_that_another_process_revoked_is_refused_at_once(
    client: TestClient, sessions: Sessions
) -> None:
    key, written = make_key(sessions)
    assert client.get("/v1/me", headers=bearer(written)).status_code == 200
    with sessions.begin() as session:
        KeyRepository(session).revoke(key.id)
    assert client.get("/v1/me", headers=bearer(written)).status_code == 401


def test_a_key_is_refused_a_second_after_it_expires(client: TestClient, sessions: Sessions) -> None:
    key, written = make_key(sessions)
    assert client.get("/v1/me", headers=bearer(written)).status_code == 200
    with sessions.begin() as session:
        moment = datetime.now(UTC) + timedelta(seconds=1)
        session.execute(update(ApiKey).where(ApiKey.id == key.id).values(expires_at=moment))
    client.get("/v1/me", headers=bearer(written))  # this look-up is reused
    time.sleep(1 + identity.CHECK_EXPIRY_EVERY_S + 0.1)
    assert client.get("/v1/me", headers=bearer(written)).status_code == 401


def test_the_cache_of_keys_compares_the_whole_secret(
    client: TestClient, sessions: Sessions
) -> None:
    key, written = make_key(sessions)
    assert client.get("/v1/me", headers=bearer(written)).status_code == 200
    other = Token.new(key.id).text
    assert client.get("/v1/me", headers=bearer(other)).status_code == 401


def test_a_key_in_the_url_is_refused_even_beside_a_valid_header(
    client: TestClient, sessions: Sessions
) -> None:
    _, written = make_key(sessions)
    response = client.get(f"/v1/jobs?key={written}", headers=bearer(written))
    assert refusal(response) == (401, "unauthenticated")
    assert "URL" in response.json()["detail"]
    assert written not in response.text


def test_an_allowed_host_other_than_loopback_needs_a_key(
    settings: ApiSettings, queue: ListQueue, sessions: Sessions
) -> None:
    named = settings.model_copy(update={"allowed_hosts": ("prune.example",)})
    host = {"host": "prune.example"}
    with TestClient(create_app(named, queue), base_url="http://127.0.0.1") as client:
        response = client.get("/v1/jobs", headers=host)
        assert refusal(response) == (401, "unauthenticated")
        assert "zpruner keys create" in response.json()["hint"]
        _, written = make_key(sessions)
        assert client.get("/v1/jobs", headers=host | bearer(written)).status_code == 200
        assert client.get("/healthz", headers=host).status_code == 200


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1", "[::1]:8000"])
def test_loopback_hosts_need_no_key(client: TestClient, host: str) -> None:
    assert client.get("/v1/jobs", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("header", ["x-forwarded-for", "forwarded", "x-real-ip"])
def test_a_request_through_a_proxy_on_this_machine_needs_a_key(
    client: TestClient, header: str
) -> None:
    assert client.get("/v1/jobs", headers={header: "192.0.2.7"}).status_code == 401


def test_a_loopback_host_header_does_not_help_a_request_from_the_network(
    settings: ApiSettings, queue: ListQueue
) -> None:
    with TestClient(create_app(settings, queue), base_url="http://10.0.0.5") as client:
        assert client.get("/v1/jobs", headers={"host": "localhost"}).status_code == 401


def test_a_service_that_listens_on_the_network_requires_a_key_from_loopback_as_well(
    settings: ApiSettings, queue: ListQueue
) -> None:
    wide = settings.model_copy(update={"host": "0.0.0.0"})
    with TestClient(create_app(wide, queue), base_url="http://127.0.0.1") as client:
        assert client.get("/v1/jobs").status_code == 401
        assert client.get("/healthz").status_code == 200


def test_with_auth_none_every_request_is_accepted_and_only_our_keys_are_checked(
    settings: ApiSettings, queue: ListQueue, sessions: Sessions
) -> None:
    open_to_all = settings.model_copy(update={"auth": "none"})
    _, written = make_key(sessions, AccessScope.jobs_read, name="reader")
    with TestClient(create_app(open_to_all, queue), base_url="http://10.0.0.5") as client:
        for header in ("Basic QWRhOmh1bnRlcjI=", "Bearer the.proxys.own"):
            me = client.get("/v1/me", headers={"authorization": header}).json()
            assert me["name"] == "anyone"
        assert client.get("/v1/me", headers=bearer(written)).json()["name"] == "reader"
        wrong = written[:-1] + ("a" if written[-1] != "a" else "b")
        assert client.get("/v1/me", headers=bearer(wrong)).status_code == 401


def test_the_use_of_a_key_is_recorded(client: TestClient, sessions: Sessions) -> None:
    key, written = make_key(sessions)
    client.get("/v1/me", headers=bearer(written))
    with sessions() as session:
        used = KeyRepository(session).get(key.id).last_used_at
    assert used is not None
    assert abs(datetime.now(UTC) - used) < timedelta(minutes=1)


def test_the_document_says_that_loopback_needs_no_key(app: FastAPI, guarded: TestClient) -> None:
    def security(document: dict[str, Any]) -> Any:
        return document["paths"]["/v1/jobs"]["post"]["security"]

    assert security(app.openapi()) == [{"key": ["jobs:write"]}, {}]
    assert security(guarded.get("/openapi.json").json()) == [{"key": ["jobs:write"]}]


def test_requests_are_counted_by_key_or_else_by_address(
    settings: ApiSettings, queue: ListQueue, sessions: Sessions
) -> None:
    slow = settings.model_copy(update={"rate_limit_per_minute": 1, "rate_limit_burst": 4})
    _, written = make_key(sessions)
    started = time.monotonic()
    with TestClient(create_app(slow, queue), base_url="http://127.0.0.1") as client:
        # A key counts for the address until it was found valid: it may be guessed.
        assert client.get("/v1/jobs", headers=bearer(written)).status_code == 200
        answers = [client.get("/v1/jobs") for _ in range(4)]
        passed_s = time.monotonic() - started
        assert [one.status_code for one in answers] == [200, 200, 200, 429]
        assert [one.headers["ratelimit-remaining"] for one in answers] == ["2", "1", "0", "0"]
        assert answers[0].headers["ratelimit-policy"] == "1;w=60;burst=4"
        assert 59 - passed_s <= int(answers[3].headers["retry-after"]) <= 60
        assert refusal(answers[3]) == (429, "rate_limited")
        assert answers[3].json()["retryable"] is True
        # Other callers' requests do not use up a key's rate; a wrong key counts for the address.
        assert client.get("/v1/jobs", headers=bearer(written)).status_code == 200
        assert client.get("/v1/jobs", headers=bearer("wrong")).status_code == 429
        assert client.get("/healthz").status_code == 200


def test_guessed_keys_are_limited_by_the_clients_address(
    settings: ApiSettings, queue: ListQueue
) -> None:
    slow = settings.model_copy(update={"rate_limit_per_minute": 1, "rate_limit_burst": 3})
    app = create_app(slow, queue)
    looks: list[str] = []

    @event.listens_for(app.state.service.sessions.kw["bind"], "before_cursor_execute")
    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        looks.append(statement)

    with TestClient(app, base_url="http://127.0.0.1") as client:
        made_up = [Token.new(new_id("key")).text for _ in range(6)]
        answers = [client.get("/v1/jobs", headers=bearer(token)) for token in made_up]
    assert [one.status_code for one in answers] == [401, 401, 401, 429, 429, 429]
    remaining = [one.headers["ratelimit-remaining"] for one in answers]
    assert remaining == ["2", "1", "0", "0", "0", "0"]
    assert sum("FROM api_keys" in statement for statement in looks) == 3


def test_requests_with_a_revoked_key_are_counted_for_the_address(
    settings: ApiSettings, queue: ListQueue, sessions: Sessions
) -> None:
    slow = settings.model_copy(update={"rate_limit_per_minute": 1, "rate_limit_burst": 3})
    key, written = make_key(sessions)
    with TestClient(create_app(slow, queue), base_url="http://127.0.0.1") as client:
        assert client.get("/v1/jobs", headers=bearer(written)).status_code == 200
        with sessions.begin() as session:
            KeyRepository(session).revoke(key.id)
        answers = [client.get("/v1/jobs", headers=bearer(written)) for _ in range(4)]
    assert [one.status_code for one in answers] == [401, 401, 401, 429]


def test_without_a_limit_nothing_is_counted(settings: ApiSettings, queue: ListQueue) -> None:
    free = settings.model_copy(update={"rate_limit_per_minute": 0, "rate_limit_burst": 1})
    with TestClient(create_app(free, queue), base_url="http://127.0.0.1") as client:
        answers = [client.get("/v1/jobs") for _ in range(3)]
    assert {one.status_code for one in answers} == {200}
    assert not [name for name in answers[0].headers if name.startswith("ratelimit")]
