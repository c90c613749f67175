import json
import zlib

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response

from db.core.session import Sessions
from db.files.artifact_store import ArtifactStore
from tests.api.work import finish_job
from tests.factories import make_job
from zpruner.files.zstd import zstd


def raw(client: TestClient, path: str, accepted: str, **headers: str) -> tuple[Response, bytes]:
    """Return a response, and its body as it was sent."""
    asked = {"accept-encoding": accepted} | headers
    with client.stream("GET", path, headers=asked) as response:
        return response, b"".join(response.iter_raw())


def test_json_is_sent_in_the_coding_that_the_client_accepts(client: TestClient) -> None:
    plain, body = raw(client, "/v1/methods", "identity")
    assert "content-encoding" not in plain.headers
    for accepted, coding in (("gzip, deflate, br, zstd", "zstd"), ("gzip, zstd;q=0", "gzip")):
        response, sent = raw(client, "/v1/methods", accepted)
        assert response.headers["content-encoding"] == coding
        assert response.headers["content-length"] == str(len(sent))
        assert response.headers["vary"] == plain.headers["vary"] == "accept-encoding"
        assert len(sent) < len(body) / 20
        expanded = zstd.decompress(sent) if coding == "zstd" else zlib.decompress(sent, wbits=31)
        assert expanded == body


def test_a_file_of_json_is_sent_with_its_length_and_its_ranges(
    client: TestClient, sessions: Sessions, store: ArtifactStore
) -> None:
    job = finish_job(sessions, store, {"report.json": b'{"blocks": [%s]}' % (b"1, " * 2000 + b"1")})
    files = client.get(f"/v1/jobs/{job.id}/artifacts").json()["data"]
    file = next(one for one in files if one["media_type"] == "application/json")
    response, sent = raw(client, file["url"], "gzip, zstd")
    assert "content-encoding" not in response.headers
    assert response.headers["vary"] == "accept-encoding"
    assert len(sent) == int(response.headers["content-length"]) == file["size_bytes"]


@pytest.mark.parametrize("path", ["/healthz", "/metrics", "/docs/start.js"])
def test_small_bodies_and_other_types_are_sent_as_they_are(client: TestClient, path: str) -> None:
    assert "content-encoding" not in raw(client, path, "gzip, zstd")[0].headers


def test_the_etag_of_a_compressed_job_is_that_of_the_job(
    client: TestClient, sessions: Sessions
) -> None:
    path = f"/v1/jobs/{make_job(sessions).id}"
    plain, body = raw(client, path, "identity")
    compressed, sent = raw(client, path, "gzip")
    assert compressed.headers["content-encoding"] == "gzip"
    assert json.loads(zlib.decompress(sent, wbits=31)) == json.loads(body)
    etag = compressed.headers["etag"]
    assert etag == plain.headers["etag"]
    unchanged, nothing = raw(client, path, "gzip", **{"if-none-match": etag})
    assert (unchanged.status_code, nothing) == (304, b"")
    assert unchanged.headers["vary"] == "accept-encoding"
    changed = client.patch(path, json={"name": "other"}, headers={"if-match": etag})
    assert changed.status_code == 200
    assert client.patch(path, json={}, headers={"if-match": etag}).status_code == 412
