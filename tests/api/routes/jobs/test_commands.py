"""Routes that change an existing job."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from api.app import create_app
from api.core.settings import ApiSettings
from db.core.session import Sessions
from db.core.states import FINAL, JobState
from db.files.artifact_store import ArtifactStore
from db.scheduling.leases import LeaseRepository
from tests.api.routes.jobs.submissions import SMALLEST, UNKNOWN, submit
from tests.api.work import finish_job
from tests.db.conftest import migrated_postgres_url, postgres  # noqa: F401 - fixtures
from tests.factories import make_job
from tests.fakes import ListQueue


def test_a_queued_job_is_paused_at_once_and_resumed_with_a_ring(
    client: TestClient, queue: ListQueue
) -> None:
    job_id = submit(client)
    path = f"/v1/jobs/{job_id}"

    paused, again = client.post(f"{path}/pause"), client.post(f"{path}/pause")
    assert paused.json() == again.json() == client.get(path).json()
    assert paused.json()["status"] == "paused"
    assert paused.json()["actions"] == ["cancel", "resume", "rerun"]

    resumed = client.post(f"{path}/resume")
    assert resumed.json()["status"] == "queued"
    assert queue.ids == [job_id, job_id]
    assert client.post(f"{path}/resume").json()["status"] == "queued"
    assert queue.ids == [job_id, job_id]


def test_a_running_job_is_paused_by_its_worker_unless_it_is_resumed_before(
    client: TestClient, sessions: Sessions, queue: ListQueue
) -> None:
    job_id = make_job(sessions, status=JobState.running, attempt=1).id
    path = f"/v1/jobs/{job_id}"

    assert client.post(f"{path}/pause").json()["status"] == "pausing"
    assert client.post(f"{path}/resume").json()["status"] == "running"
    assert client.post(f"{path}/pause").json()["status"] == "pausing"
    with sessions.begin() as session:
        LeaseRepository(session).release(job_id, 1)
    assert client.get(path).json()["status"] == "paused"
    assert queue.ids == []


@pytest.mark.parametrize("status", sorted(FINAL))
def test_an_ended_job_is_neither_paused_nor_resumed(
    status: JobState, client: TestClient, sessions: Sessions
) -> None:
    path = f"/v1/jobs/{make_job(sessions, status=status).id}"
    for act in ("pause", "resume"):
        response = client.post(f"{path}/{act}")
        assert (response.status_code, response.json()["code"]) == (409, "invalid_state")


def test_name_and_labels_of_a_job_are_changed_separately(
    client: TestClient, sessions: Sessions
) -> None:
    job = make_job(sessions, name="first", labels={"a": "1", "b": "2"})
    path = f"/v1/jobs/{job.id}"
    etag = client.get(path).headers["etag"]

    named = client.patch(path, json={"name": "second"}, headers={"if-match": etag})
    labelled = client.patch(path, json={"labels": {"b": None, "c": "3"}})

    assert (named.json()["name"], named.json()["labels"]) == ("second", {"a": "1", "b": "2"})
    assert (labelled.json()["name"], labelled.json()["labels"]) == ("second", {"a": "1", "c": "3"})
    assert [one["id"] for one in client.get("/v1/jobs?q=SECOND").json()["data"]] == [job.id]
    kinds = [one["kind"] for one in client.get(f"{path}/events").json()["data"]]
    assert kinds == ["status", "described", "described"]
    stale = client.patch(path, json={"name": "third"}, headers={"if-match": etag})
    assert (stale.status_code, stale.json()["code"]) == (412, "stale_version")
    assert client.patch(path, json={"labels": None}).json()["labels"] == {}
    assert client.patch(path, json={"name": None}).json()["name"] is None


def test_a_job_is_pinned_and_stays_so_until_it_is_unpinned(
    client: TestClient, sessions: Sessions
) -> None:
    path = f"/v1/jobs/{make_job(sessions).id}"
    assert client.get(path).json()["pinned"] is False
    assert client.patch(path, json={"pinned": True}).json()["pinned"] is True
    assert client.patch(path, json={"name": "kept"}).json()["pinned"] is True
    assert client.patch(path, json={"pinned": None}).json()["pinned"] is False
    refused = client.patch(path, json={"pinned": "yes"})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/pinned")


def test_concurrent_changes_of_labels_are_all_kept(
    settings: ApiSettings,
    migrated_postgres_url: str,  # noqa: F811 - the fixture
) -> None:
    # SQLite has one writer at a time anyway.
    shared = settings.model_copy(update={"database_url": SecretStr(migrated_postgres_url)})
    app = create_app(shared, ListQueue())
    with TestClient(app, base_url="http://127.0.0.1") as client, ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            path = f"/v1/jobs/{submit(client)}"

            def label(number: int, path: str = path) -> int:
                return client.patch(path, json={"labels": {f"n{number}": ""}}).status_code

            assert list(pool.map(label, range(8))) == [200] * 8
            assert client.get(path).json()["labels"] == {f"n{number}": "" for number in range(8)}


def test_if_match_may_name_several_versions(client: TestClient) -> None:
    path = f"/v1/jobs/{submit(client)}"
    old = client.get(path).headers["etag"]
    new = client.patch(path, json={"name": "second"}).headers["etag"]
    for form in ('"nope", {new}', "{old},{new}", 'W/"nope" , {new}, "x"'):
        header = {"if-match": form.format(old=old, new=new)}
        assert client.get(path, headers=header).status_code == 200
        answer = client.patch(path, json={"name": form}, headers=header)
        assert answer.status_code == 200, form
        old, new = new, answer.headers["etag"]
    for other in (f'"nope", {old}', f"W/{new}", '"nope"', ""):
        refused = client.patch(path, json={"name": "x"}, headers={"if-match": other})
        assert refused.status_code == 412


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"sparsity": 0.6}, "/sparsity"),
        ({"name": "x" * 201}, "/name"),
        ({"labels": {f"n{number}": "" for number in range(33)}}, "/labels"),
        ({"labels": {"new": "one too many"}}, "/labels"),
    ],
)
def test_a_name_that_cannot_be_is_refused(
    body: dict[str, object], pointer: str, client: TestClient, sessions: Sessions
) -> None:
    job = make_job(sessions, labels={f"label{number}": "" for number in range(32)})
    response = client.patch(f"/v1/jobs/{job.id}", json=body)
    assert (response.status_code, response.json()["code"]) == (422, "invalid_request")
    assert response.json()["errors"][0]["pointer"].startswith(pointer)


def test_only_an_ended_job_is_deleted_and_then_nothing_is_left_of_it(
    client: TestClient, sessions: Sessions, store: ArtifactStore
) -> None:
    refused = client.delete(f"/v1/jobs/{submit(client)}")
    assert (refused.status_code, refused.json()["code"]) == (409, "invalid_state")
    path = f"/v1/jobs/{finish_job(sessions, store).id}"
    artifact = client.get(f"{path}/artifacts").json()["data"][0]

    assert client.delete(path).status_code == 204

    assert client.get(path).status_code == 404
    assert client.get(artifact["url"]).status_code == 404
    assert client.delete(path).status_code == 404
    assert store.published_jobs() == []
    assert client.delete(f"/v1/jobs/{UNKNOWN}").status_code == 404


def test_a_deadline_is_kept_and_one_that_has_passed_is_refused(client: TestClient) -> None:
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    assert client.get(f"/v1/jobs/{submit(client, deadline=later)}").json()["deadline"] is not None
    for asked in ({}, {"dry_run": True}):
        body = SMALLEST | {"deadline": "2020-01-01T00:00:00Z"}
        response = client.post("/v1/jobs", json=body, params=asked)
        assert (response.status_code, response.json()["code"]) == (422, "deadline_passed")
    unzoned = client.post("/v1/jobs", json=SMALLEST | {"deadline": "2030-01-01T00:00:00"})
    assert unzoned.json()["errors"][0]["pointer"] == "/deadline"


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("90m", timedelta(minutes=90)),
        ("2h", timedelta(hours=2)),
        ("1d", timedelta(days=1)),
        ("7200s", timedelta(hours=2)),
    ],
)
def test_a_time_may_be_a_duration_from_the_request_on(
    client: TestClient, text: str, length: timedelta
) -> None:
    before = datetime.now(UTC)
    headers = {"idempotency-key": "one"}
    body = SMALLEST | {"not_before": text, "deadline": "9999d"}
    first = client.post("/v1/jobs", json=body, headers=headers)
    assert first.status_code == 201, first.text
    start = datetime.fromisoformat(first.json()["not_before"])
    assert before <= start - length <= datetime.now(UTC)
    again = client.post("/v1/jobs", json=body, headers=headers)
    assert (again.status_code, again.json()) == (201, first.json())
    rerun = client.post(f"/v1/jobs/{first.json()['id']}/rerun")
    assert (rerun.json()["not_before"], rerun.json()["deadline"]) == (None, None)


@pytest.mark.parametrize("text", ["2x", "h", "-2h", "2", "1.5h", "PT2H", 7200])
def test_a_time_that_is_neither_a_moment_nor_a_duration_is_refused(
    client: TestClient, text: str
) -> None:
    response = client.post("/v1/jobs", json=SMALLEST | {"deadline": text})
    (field,) = response.json()["errors"]
    assert (response.status_code, field["pointer"]) == (422, "/deadline")
    if isinstance(text, str):
        assert field["detail"].startswith(f"deadline {text!r}: is neither a date")
        assert field["detail"].endswith("or as 2h, 90m or 1d.")


def test_a_job_that_would_expire_before_it_may_start_is_refused(client: TestClient) -> None:
    body = SMALLEST | {"not_before": "2h", "deadline": "1h"}
    response = client.post("/v1/jobs", json=body)
    assert (response.status_code, response.json()["code"]) == (422, "unfit_combination")
    assert "would expire before" in response.json()["detail"]


def test_a_retry_drops_a_deadline_that_has_passed(client: TestClient, sessions: Sessions) -> None:
    past = datetime.now(UTC) - timedelta(hours=1)
    job = make_job(sessions, status=JobState.expired, deadline=past)
    assert client.post(f"/v1/jobs/{job.id}/retry").json()["deadline"] is None
