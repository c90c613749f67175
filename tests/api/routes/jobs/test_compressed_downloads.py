"""Downloads that are compressed by zstd: one file as a content coding, all files as a .tar.zst."""

import io
import tarfile
from typing import Any

import pytest
from fastapi.testclient import TestClient

from db.core.session import Sessions
from db.files.artifact_store import ArtifactStore
from db.tables.access import AccessScope
from tests.api.requests import bearer, refusal
from tests.api.work import FILES, finish_job
from tests.factories import make_key
from zpruner.files.zstd import zstd

WEIGHTS = FILES["model/weights.bin"]
ZSTD = {"accept-encoding": "zstd"}


@pytest.fixture
def job_id(sessions: Sessions, store: ArtifactStore) -> str:
    return finish_job(sessions, store).id


@pytest.fixture
def weights(client: TestClient, job_id: str) -> dict[str, Any]:
    files = client.get(f"/v1/jobs/{job_id}/artifacts").json()["data"]
    found: dict[str, Any] = next(one for one in files if one["name"] == "model/weights.bin")
    return found


def sent(client: TestClient, url: str, accepted: str) -> tuple[dict[str, str], bytes]:
    """Return the headers and the bytes as they were sent."""
    with client.stream("GET", url, headers={"accept-encoding": accepted}) as response:
        return dict(response.headers), b"".join(response.iter_raw())


@pytest.mark.parametrize("accepted", ["zstd", "ZSTD;q=0.5, br;q=0", "zstd , identity;q=0"])
def test_a_file_is_compressed_for_a_client_that_names_zstd_alone(
    client: TestClient, weights: dict[str, Any], accepted: str
) -> None:
    headers, content = sent(client, weights["url"], accepted)
    assert headers["content-encoding"] == "zstd"
    assert headers["vary"] == "accept-encoding"
    assert "content-length" not in headers
    assert len(content) < len(WEIGHTS)
    assert zstd.decompress(content) == WEIGHTS


@pytest.mark.parametrize(
    "accepted", ["", "gzip, br", "gzip, deflate, br, zstd", "zstd, *", "zstd;q=0", "zstd;q=x"]
)
def test_a_file_is_sent_as_it_is_to_browsers_and_others(
    client: TestClient, weights: dict[str, Any], accepted: str
) -> None:
    headers, content = sent(client, weights["url"], accepted)
    assert "content-encoding" not in headers
    assert headers["vary"] == "accept-encoding"
    assert (content, headers["content-length"]) == (WEIGHTS, str(len(WEIGHTS)))


def test_a_range_is_never_compressed(client: TestClient, weights: dict[str, Any]) -> None:
    response = client.get(weights["url"], headers=ZSTD | {"range": "bytes=5-9"})
    assert (response.status_code, response.content) == (206, WEIGHTS[5:10])
    assert "content-encoding" not in response.headers


def test_the_tag_of_a_compressed_file_is_weak_and_known_again(
    client: TestClient, weights: dict[str, Any]
) -> None:
    tag = sent(client, weights["url"], "zstd")[0]["etag"]
    assert tag == f'W/"{weights["sha256"]}"'
    for known in (tag, tag.removeprefix("W/")):
        again = client.get(weights["url"], headers=ZSTD | {"if-none-match": known})
        assert again.status_code == 304
    head = client.head(weights["url"], headers=ZSTD)
    assert (head.status_code, head.headers["content-encoding"]) == (200, "zstd")
    assert (head.headers["etag"], "content-length" in head.headers) == (tag, False)


def test_the_compressed_archive_is_the_archive_in_fewer_bytes(
    client: TestClient, job_id: str
) -> None:
    path = f"/v1/jobs/{job_id}/archive"
    plain, small = client.get(path), client.get(f"{path}?format=zstd")

    assert small.headers["content-type"] == "application/zstd"
    assert "content-length" not in small.headers
    assert "content-encoding" not in small.headers
    assert small.headers["content-disposition"].endswith(f"{job_id}.tar.zst")
    assert len(small.content) < len(plain.content)
    tar = zstd.decompress(small.content)
    assert tar == plain.content
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        assert f"{job_id}/SHA256SUMS" in archive.getnames()


def test_a_client_that_has_the_compressed_archive_is_not_sent_it_again(
    client: TestClient, job_id: str
) -> None:
    path = f"/v1/jobs/{job_id}/archive?format=zstd"
    first, head = client.get(path), client.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert "content-length" not in head.headers
    assert head.headers["etag"] == first.headers["etag"]
    assert first.headers["etag"].startswith('W/"')
    known = {"if-none-match": first.headers["etag"]}
    assert client.get(path, headers=known).status_code == 304
    assert client.get(path, headers={"if-match": '"other"'}).status_code == 412


@pytest.mark.parametrize("format", ["zip", "compact"])
def test_an_unknown_format_is_refused_and_so_is_that_of_0_2(
    client: TestClient, job_id: str, format: str
) -> None:
    response = client.get(f"/v1/jobs/{job_id}/archive?format={format}")
    assert (response.status_code, response.json()["code"]) == (422, "invalid_request")
    assert "Use 'plain' or 'zstd'" in response.json()["errors"][0]["detail"]


def test_a_link_to_an_archive_may_name_the_format_and_nothing_else(
    guarded: TestClient, sessions: Sessions, store: ArtifactStore
) -> None:
    job = finish_job(sessions, store)
    token = make_key(sessions, AccessScope.artifacts_read)[1]
    path = f"/v1/jobs/{job.id}/archive"
    url = guarded.post(f"{path}/links", headers=bearer(token)).json()["url"]
    small = guarded.get(f"{path}?format=zstd", headers=bearer(token)).content
    assert guarded.get(f"{url}&format=zstd").content == small
    assert guarded.get(f"{url}&format=plain").content == guarded.get(url).content
    assert refusal(guarded.get(f"{url}&format=compact")) == (422, "invalid_request")
    for query in ("&format=zip", "&format=", "&format=zstd&x=1", "&format=zstd&format=plain"):
        assert refusal(guarded.get(url + query)) == (403, "link_refused")
    listed = guarded.get(f"/v1/jobs/{job.id}/artifacts", headers=bearer(token)).json()["data"]
    one = f"/v1/artifacts/{listed[0]['id']}"
    file_url = guarded.post(f"{one}/links", headers=bearer(token)).json()["url"]
    assert guarded.get(file_url).status_code == 200
    assert refusal(guarded.get(f"{file_url}&format=zstd")) == (403, "link_refused")
