"""The archive of a job in compact form."""

import io
import tarfile
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from db.core.session import Sessions
from db.files.artifact_store import ArtifactStore
from db.tables.access import AccessScope
from tests.api.requests import bearer, refusal
from tests.api.work import finish_job
from tests.factories import make_key
from tests.zpruner.files.safetensors_files import random_content, write_safetensors
from zpruner.files.folder import expand_folder


@pytest.fixture
def files(tmp_path: Path) -> dict[str, bytes]:
    """The files of a pruned model in two shards."""
    found = {"config.json": b"{}", "report.json": b'{"blocks": []}'}
    for seed in (1, 2):
        weights = {"weight": random_content("BF16", (64, 64), 0.7, seed)}
        found[f"model-{seed}.safetensors"] = write_safetensors(tmp_path / "shard", weights)
    return found


@pytest.fixture
def job_id(sessions: Sessions, store: ArtifactStore, files: dict[str, bytes]) -> str:
    return finish_job(sessions, store, files).id


def test_the_compact_archive_is_smaller_and_expands_to_the_jobs_files(
    client: TestClient, job_id: str, files: dict[str, bytes], tmp_path: Path
) -> None:
    path = f"/v1/jobs/{job_id}/archive"
    plain, compact = client.get(path), client.get(f"{path}?format=compact")

    assert compact.headers["content-type"] == "application/x-tar"
    assert "content-length" not in compact.headers
    assert compact.headers["content-disposition"].endswith(f"{job_id}.compact.tar")
    assert len(compact.content) < len(plain.content)
    assert len(compact.content) % tarfile.RECORDSIZE == 0
    with tarfile.open(fileobj=io.BytesIO(compact.content)) as tar:
        tar.extractall(tmp_path, filter="data")
    expand_folder(tmp_path / job_id, tmp_path / "expanded")
    found = {path.name: path.read_bytes() for path in (tmp_path / "expanded").iterdir()}
    assert found.pop("SHA256SUMS")
    assert found == files


def test_the_compact_archive_is_the_same_bytes_every_time_and_has_a_tag_of_its_own(
    client: TestClient, job_id: str
) -> None:
    path = f"/v1/jobs/{job_id}/archive?format=compact"
    first, head = client.get(path), client.head(path)
    assert first.content == client.get(path).content
    assert (head.status_code, head.content) == (200, b"")
    assert "content-length" not in head.headers
    etag = first.headers["etag"]
    assert head.headers["etag"] == etag
    assert client.get(f"/v1/jobs/{job_id}/archive").headers["etag"] != etag
    assert client.get(path, headers={"if-none-match": etag}).status_code == 304
    assert client.get(path, headers={"if-match": '"other"'}).status_code == 412


def test_an_unknown_format_is_refused(client: TestClient, job_id: str) -> None:
    response = client.get(f"/v1/jobs/{job_id}/archive?format=zip")
    assert (response.status_code, response.json()["code"]) == (422, "invalid_request")
    assert "'plain' or 'compact'" in response.json()["errors"][0]["detail"]


def test_a_link_to_an_archive_may_name_the_format_and_nothing_else(
    guarded: TestClient, sessions: Sessions, store: ArtifactStore, files: dict[str, bytes]
) -> None:
    job = finish_job(sessions, store, files)
    token = make_key(sessions, AccessScope.artifacts_read)[1]
    path = f"/v1/jobs/{job.id}/archive"
    url = guarded.post(f"{path}/links", headers=bearer(token)).json()["url"]
    compact = guarded.get(f"{path}?format=compact", headers=bearer(token)).content
    assert guarded.get(f"{url}&format=compact").content == compact
    assert guarded.get(f"{url}&format=plain").content == guarded.get(url).content
    for query in ("&format=zip", "&format=", "&format=compact&x=1", "&format=compact&format=plain"):
        assert refusal(guarded.get(url + query)) == (403, "link_refused")
    listed = guarded.get(f"/v1/jobs/{job.id}/artifacts", headers=bearer(token)).json()["data"]
    one = f"/v1/artifacts/{listed[0]['id']}"
    file_url = guarded.post(f"{one}/links", headers=bearer(token)).json()["url"]
    assert guarded.get(file_url).status_code == 200
    assert refusal(guarded.get(f"{file_url}&format=compact")) == (403, "link_refused")
