"""Links that download one file without a key."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from api.core.settings import ApiSettings
from db.access.keys import KeyRepository
from db.core.session import Sessions
from db.files.artifact_store import ArtifactStore
from db.jobs.download_links import LinkRepository
from db.tables.access import AccessScope, Secret
from tests.api.requests import bearer, refusal
from tests.api.work import FILES, finish_job
from tests.factories import make_job, make_key
from tests.fakes import ListQueue

WEIGHTS = FILES["model/weights.bin"]
INSTEAD = "0123456789abcdef"


@pytest.fixture
def weights(guarded: TestClient, sessions: Sessions, store: ArtifactStore, token: str) -> str:
    """The path of a file."""
    job = finish_job(sessions, store)
    files = guarded.get(f"/v1/jobs/{job.id}/artifacts", headers=bearer(token)).json()["data"]
    found: str = next(one["url"] for one in files if one["name"] == "model/weights.bin")
    return found.removesuffix("/content")


@pytest.fixture
def token(sessions: Sessions) -> str:
    return make_key(sessions, AccessScope.artifacts_read)[1]


def make(client: TestClient, path: str, token: str | None, **body: Any) -> dict[str, Any]:
    headers = {} if token is None else bearer(token)
    response = client.post(f"{path}/links", headers=headers, json=body or None)
    assert response.status_code == 201, response.text
    assert response.headers["cache-control"] == "no-store"
    made: dict[str, Any] = response.json()
    return made


def test_a_link_opens_its_file_and_nothing_else(
    guarded: TestClient, weights: str, token: str
) -> None:
    url = make(guarded, weights, token)["url"]
    assert guarded.get(url).content == WEIGHTS
    assert guarded.head(url).headers["content-length"] == str(len(WEIGHTS))
    part = guarded.get(url, headers={"range": "bytes=5-9"})
    assert (part.status_code, part.content) == (206, WEIGHTS[5:10])
    etag = part.headers["etag"]
    assert guarded.get(url, headers={"if-none-match": etag}).status_code == 304
    query = url.partition("?")[2]
    for path in ("/v1/jobs", "/v1/me", f"{weights}/links", weights):
        assert guarded.get(f"{path}?{query}").status_code == 401
    assert guarded.post(f"{weights}/links?{query}").status_code == 401
    assert refusal(guarded.get(f"{weights}/content")) == (401, "unauthenticated")


def test_a_link_with_any_character_changed_or_left_out_is_refused(
    guarded: TestClient, weights: str, token: str
) -> None:
    url = make(guarded, weights, token)["url"]
    assert guarded.get(url).status_code == 200
    for at, letter in enumerate(url):
        other = INSTEAD[(INSTEAD.find(letter) + 1) % len(INSTEAD)]
        changed = {other, letter.swapcase(), "", letter * 2} - {letter}
        for one in changed - ({""} if at == 0 else set()):  # the client would put it back
            mutated = url[:at] + one + url[at + 1 :]
            response = guarded.get(mutated)
            assert response.status_code in {401, 403, 404}, mutated
            assert WEIGHTS not in response.content
    for mutated in (f"{url}&x=1", f"{url}&", f"{url}%00", url.replace("?", "?x=1&")):
        assert refusal(guarded.get(mutated)) == (403, "link_refused")


def test_the_parts_of_two_links_make_no_third(
    guarded: TestClient, weights: str, token: str, sessions: Sessions
) -> None:
    other = make_key(sessions)[1]
    links = [make(guarded, weights, one, expires_in=50)["url"] for one in (token, other)]
    links.append(make(guarded, weights, token, expires_in=500)["url"])
    signatures = [url.partition("&sig=")[2] for url in links]
    assert len(set(signatures)) == len(links)
    for url in links:
        for signature in signatures:
            mixed = url.partition("&sig=")[0] + f"&sig={signature}"
            assert guarded.get(mixed).status_code == (200 if mixed in links else 403)


def test_a_link_ends_when_it_says(guarded: TestClient, weights: str, sessions: Sessions) -> None:
    token = make_key(sessions)[1]
    for asked, lifetime in ((None, 3600), (7 * 24 * 3600, 7 * 24 * 3600), (1, 1)):
        earliest = datetime.now(UTC) + timedelta(seconds=lifetime - 1)
        made = make(guarded, weights, token, **({} if asked is None else {"expires_in": asked}))
        latest = datetime.now(UTC) + timedelta(seconds=lifetime + 1)
        assert earliest < datetime.fromisoformat(made["expires_at"]) < latest
    for expires_in in (0, -1, 7 * 24 * 3600 + 1, "x"):
        body = {"expires_in": expires_in}
        response = guarded.post(f"{weights}/links", headers=bearer(token), json=body)
        assert refusal(response) == (422, "invalid_request")
    with sessions() as session:
        artifact_id = weights.rpartition("/")[2]
        over = LinkRepository(session).create(artifact_id, -timedelta(seconds=2), None)
    response = guarded.get(f"{weights}/content?{over.query}")
    assert refusal(response) == (410, "link_expired")
    assert guarded.get(response.json()["type"]).status_code == 200


def test_a_link_dies_with_its_key_and_outlives_a_new_secret_of_it(
    guarded: TestClient, weights: str, sessions: Sessions
) -> None:
    key, token = make_key(sessions)
    url = make(guarded, weights, token)["url"]
    with sessions.begin() as session:
        KeyRepository(session).rotate(key.id, timedelta(0))
    assert guarded.get(url).status_code == 200
    with sessions.begin() as session:
        KeyRepository(session).revoke(key.id)
    assert refusal(guarded.get(url)) == (403, "link_refused")


def test_a_link_dies_with_its_file(
    guarded: TestClient, weights: str, token: str, sessions: Sessions, store: ArtifactStore
) -> None:
    url = make(guarded, weights, token)["url"]
    job_id = guarded.get("/v1/jobs", headers=bearer(make_key(sessions)[1])).json()["data"][0]["id"]
    store.delete_job(job_id)
    assert refusal(guarded.get(url)) == (410, "artifact_damaged")
    response = guarded.post(f"{weights}/links", headers=bearer(token))
    assert refusal(response) == (410, "artifact_damaged")
    guarded.delete(f"/v1/jobs/{job_id}", headers=bearer(make_key(sessions)[1]))
    assert refusal(guarded.get(url)) == (403, "link_refused")


def test_a_key_without_the_scope_makes_none(
    guarded: TestClient, weights: str, sessions: Sessions
) -> None:
    _, writer = make_key(sessions, AccessScope.jobs_read, AccessScope.jobs_write)
    response = guarded.post(f"{weights}/links", headers=bearer(writer))
    assert refusal(response) == (403, "missing_scope")


def test_a_link_opens_the_archive_of_one_job(
    guarded: TestClient, sessions: Sessions, store: ArtifactStore, token: str
) -> None:
    job, other = finish_job(sessions, store), finish_job(sessions, store)
    path = f"/v1/jobs/{job.id}/archive"
    url = make(guarded, path, token, expires_in=60)["url"]

    response = guarded.get(url)
    assert response.headers["content-type"] == "application/x-tar"
    assert response.content == guarded.get(path, headers=bearer(token)).content
    assert guarded.head(url).headers["content-length"] == str(len(response.content))
    query = url.partition("?")[2]
    assert refusal(guarded.get(f"/v1/jobs/{other.id}/archive?{query}")) == (403, "link_refused")
    [artifact, *_] = guarded.get(f"/v1/jobs/{job.id}/artifacts", headers=bearer(token)).json()[
        "data"
    ]
    assert refusal(guarded.get(f"{artifact['url']}?{query}")) == (403, "link_refused")
    assert guarded.post(f"{path}/links?{query}").status_code == 401
    assert refusal(guarded.get(url.replace("archive", "artifacts"))) == (401, "unauthenticated")


def test_a_link_to_an_archive_dies_with_its_files(
    guarded: TestClient, sessions: Sessions, store: ArtifactStore, token: str
) -> None:
    job = finish_job(sessions, store)
    url = make(guarded, f"/v1/jobs/{job.id}/archive", token)["url"]
    guarded.delete(f"/v1/jobs/{job.id}", headers=bearer(make_key(sessions)[1]))
    assert refusal(guarded.get(url)) == (403, "link_refused")
    waiting = make_job(sessions)
    response = guarded.post(f"/v1/jobs/{waiting.id}/archive/links", headers=bearer(token))
    assert (
        refusal(response)[0]
        == guarded.get(f"/v1/jobs/{waiting.id}/archive", headers=bearer(token)).status_code
    )


def test_without_keys_links_are_made_and_checked_too(client: TestClient, weights: str) -> None:
    url = make(client, weights, None)["url"]
    assert "key=" not in url
    assert client.get(url).content == WEIGHTS
    assert refusal(client.get(url[:-1] + ("0" if url[-1] != "0" else "1"))) == (403, "link_refused")


def test_every_process_of_the_service_knows_the_links_of_the_others(
    guarded: TestClient, weights: str, token: str, settings: ApiSettings, queue: ListQueue
) -> None:
    url = make(guarded, weights, token)["url"]
    other = create_app(settings.model_copy(update={"auth": "keys"}), queue)
    with TestClient(other, base_url="http://10.0.0.5") as client:
        assert client.get(url).content == WEIGHTS


def test_another_service_has_another_secret(
    guarded: TestClient, weights: str, token: str, sessions: Sessions
) -> None:
    url = make(guarded, weights, token)["url"]
    with sessions.begin() as session:
        session.get_one(Secret, "links").value = "0" * 64
    assert refusal(guarded.get(url)) == (403, "link_refused")
