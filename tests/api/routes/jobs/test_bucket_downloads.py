"""Downloads from a service whose files are in a bucket."""

import io
import tarfile
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from api.core.settings import ApiSettings
from api.routes.jobs import artifacts
from db.buckets.bucket import Bucket
from db.core.session import Sessions
from db.files.artifact_store import ArtifactStore
from db.files.stores import open_store
from db.scheduling.control_heartbeat import HeartbeatRepository
from tests.api.work import FILES, finish_job

WEIGHTS = FILES["model/weights.bin"]
SIZE = len(WEIGHTS)
UNREACHABLE = "http://127.0.0.1:9"


@pytest.fixture
def settings(
    settings: ApiSettings, bucket_url: str, monkeypatch: pytest.MonkeyPatch
) -> ApiSettings:
    monkeypatch.setattr(artifacts, "SENT_BY_API_BYTES", 1000)
    return settings.model_copy(update={"artifact_url": bucket_url})


@pytest.fixture
def store(settings: ApiSettings) -> ArtifactStore:
    return open_store(settings)


@pytest.fixture
def job_id(sessions: Sessions, store: ArtifactStore) -> str:
    return finish_job(sessions, store).id


@pytest.fixture
def client(client: TestClient) -> TestClient:
    client.follow_redirects = False
    return client


def found(client: TestClient, job_id: str, name: str = "model/weights.bin") -> dict[str, Any]:
    files = client.get(f"/v1/jobs/{job_id}/artifacts").json()["data"]
    return next(one for one in files if one["name"] == name)


@pytest.fixture
def weights(client: TestClient, job_id: str) -> dict[str, Any]:
    return found(client, job_id)


def object_of(file: dict[str, Any]) -> str:
    return f"artifacts/{file['job_id']}/1/{file['name']}"


def test_a_large_file_is_read_from_the_bucket_also_in_ranges(
    client: TestClient, weights: dict[str, Any]
) -> None:
    response = client.get(weights["url"], headers={"range": "bytes=5-9"})

    assert (response.status_code, response.content) == (307, b"")
    assert response.headers["cache-control"] == "no-store"
    url = response.headers["location"]
    file = httpx.get(url, timeout=60)
    assert file.content == WEIGHTS
    assert file.headers["content-disposition"] == "attachment; filename*=utf-8''weights.bin"
    assert file.headers["content-type"] == "application/octet-stream"
    part = httpx.get(url, headers={"range": "bytes=5-9"}, timeout=60)
    assert (part.status_code, part.content) == (206, WEIGHTS[5:10])


def test_small_files_and_reports_are_sent_by_the_api(client: TestClient, job_id: str) -> None:
    report = found(client, job_id, "report.json")
    response = client.get(report["url"], headers={"range": "bytes=1-3"})
    assert (response.status_code, response.content) == (206, FILES["report.json"][1:4])
    assert client.get(report["url"]).content == FILES["report.json"]
    assert client.get(f"/v1/jobs/{job_id}/manifest").json() == {"blocks": []}


def test_a_client_that_takes_only_compressed_bytes_is_sent_them_by_the_api(
    client: TestClient, weights: dict[str, Any]
) -> None:
    accepted = {"accept-encoding": "zstd, identity;q=0"}
    response = client.get(weights["url"], headers=accepted)
    assert (response.status_code, response.headers["content-encoding"]) == (200, "zstd")
    assert response.content == WEIGHTS  # the test client expands it
    redirected = client.get(weights["url"], headers={"accept-encoding": "zstd"})
    assert redirected.status_code == 307


@pytest.mark.parametrize("header", [{"sec-fetch-mode": "cors"}, {"if-match": None}])
def test_a_client_that_cannot_follow_a_redirect_is_sent_the_bytes(
    client: TestClient, weights: dict[str, Any], header: dict[str, str | None]
) -> None:
    etag = f'"{weights["sha256"]}"'
    headers = {name: value or etag for name, value in header.items()}
    assert client.get(weights["url"], headers=headers).content == WEIGHTS
    part = client.get(weights["url"], headers=headers | {"range": "bytes=-3"})
    assert (part.status_code, part.content) == (206, WEIGHTS[-3:])


def test_a_known_file_is_304_and_another_version_of_it_412(
    client: TestClient, weights: dict[str, Any]
) -> None:
    etag = f'"{weights["sha256"]}"'
    assert client.get(weights["url"], headers={"if-none-match": etag}).status_code == 304
    assert client.get(weights["url"], headers={"if-match": '"other"'}).status_code == 412


def test_head_needs_no_bucket(
    client: TestClient, weights: dict[str, Any], store: ArtifactStore
) -> None:
    store.retract(weights["job_id"], 1)
    head = client.head(weights["url"], headers={"range": "bytes=5-9"})
    assert (head.status_code, head.headers["content-range"]) == (206, f"bytes 5-9/{SIZE}")
    assert head.headers["etag"] == f'"{weights["sha256"]}"'


@pytest.mark.parametrize(
    ("content", "damage"),
    [(WEIGHTS[:-1], "10239 bytes now"), (WEIGHTS[::-1], "its sha256 is"), (None, "missing")],
)
def test_a_truncated_a_changed_and_a_missing_object_are_410(
    client: TestClient,
    weights: dict[str, Any],
    bucket: Bucket,
    content: bytes | None,
    damage: str,
) -> None:
    if content is None:
        bucket.delete([object_of(weights)])
    else:
        bucket.write(object_of(weights), content)

    for _ in range(2):
        problem = client.get(weights["url"])
        assert (problem.status_code, problem.json()["code"]) == (410, "artifact_damaged")
        assert damage in problem.json()["detail"]
    assert client.head(weights["url"]).status_code == 410
    assert client.get(f"/v1/jobs/{weights['job_id']}/archive").status_code == 410
    assert damage in found(client, weights["job_id"])["damage"]


def test_the_archive_is_sent_by_the_api(client: TestClient, job_id: str) -> None:
    response = client.get(f"/v1/jobs/{job_id}/archive")
    assert len(response.content) == int(response.headers["content-length"])
    with tarfile.open(fileobj=io.BytesIO(response.content)) as tar:
        files = {m.name: (tar.extractfile(m) or io.BytesIO()).read() for m in tar.getmembers()}
    assert {f"{job_id}/{name}": content for name, content in FILES.items()}.items() <= files.items()


def test_a_signed_link_redirects_and_stays_under_the_control_of_the_service(
    client: TestClient, weights: dict[str, Any], store: ArtifactStore
) -> None:
    link = client.post(f"/v1/artifacts/{weights['id']}/links").json()["url"]
    assert link.startswith("/v1/artifacts/")
    assert httpx.get(client.get(link).headers["location"], timeout=60).content == WEIGHTS
    store.retract(weights["job_id"], 1)
    assert client.get(link).status_code == 410


def test_a_bucket_that_does_not_respond_is_503(
    settings: ApiSettings, client: TestClient, job_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = found(client, job_id)
    monkeypatch.setenv("AWS_ENDPOINT_URL", UNREACHABLE)

    for response in (client.get(weights["url"]), client.get(f"/v1/jobs/{job_id}/archive")):
        assert (response.status_code, response.json()["code"]) == (503, "storage_unavailable")
        assert response.headers["retry-after"] == "10"
        assert "s3://" not in response.text
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json()["detail"]) == (
        503,
        "The artifact store does not respond.",
    )
    assert found(client, job_id)["damage"] is None
    assert client.delete(f"/v1/jobs/{job_id}").status_code == 204


def test_a_bucket_has_no_free_space_to_report(client: TestClient) -> None:
    assert client.get("/v1/storage").json()["free_bytes"] is None
    assert "zpruner_artifacts_free_bytes" not in client.get("/metrics").text


def test_the_service_is_ready_with_a_bucket(client: TestClient, sessions: Sessions) -> None:
    with sessions.begin() as session:
        HeartbeatRepository(session).record()
    assert client.get("/readyz").status_code == 200


def test_an_uploaded_dataset_is_in_the_bucket_and_can_be_shown_and_deleted(
    client: TestClient, settings: ApiSettings, bucket: Bucket
) -> None:
    headers = {"content-type": "text/plain"}
    made = client.post("/v1/datasets", content=b"first line\nsecond\n", headers=headers).json()
    assert [one.name for one in bucket.objects("uploads")] == [f"uploads/{made['id']}.txt"]
    for path in settings.upload_dir.iterdir():
        path.unlink()  # as on another machine
    assert "first line" in client.get(f"/v1/datasets/{made['id']}").text
    body = {"model": "local:none", "sparsity": 0.5, "dataset": made["dataset"]}
    refused = client.post("/v1/jobs", json=body).json()
    assert [one["pointer"] for one in refused["errors"]] == ["/model"]
    assert client.delete(f"/v1/datasets/{made['id']}").status_code == 204
    assert [*settings.upload_dir.iterdir(), *bucket.objects("")] == []
