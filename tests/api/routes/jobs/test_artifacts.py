import hashlib
import io
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from api.services.file_checks import AT_ONCE
from db.core.session import Sessions
from db.files.file_store import FileStore
from db.files.stored_file import LocalFile
from tests.api.work import FILES, finish_job
from tests.factories import make_job

WEIGHTS = FILES["model/weights.bin"]
SIZE = len(WEIGHTS)


@pytest.fixture
def job_id(sessions: Sessions, store: FileStore) -> str:
    return finish_job(sessions, store).id


@pytest.fixture
def weights(client: TestClient, job_id: str) -> dict[str, Any]:
    files = client.get(f"/v1/jobs/{job_id}/artifacts").json()["data"]
    found: dict[str, Any] = next(one for one in files if one["name"] == "model/weights.bin")
    return found


def test_artifacts_are_listed_with_size_digest_and_url(client: TestClient, job_id: str) -> None:
    files = client.get(f"/v1/jobs/{job_id}/artifacts").json()["data"]
    assert {one["name"] for one in files} == {*FILES, "SHA256SUMS"}
    for one in files:
        content = client.get(one["url"]).content
        assert len(content) == one["size_bytes"]
        assert hashlib.sha256(content).hexdigest() == one["sha256"]


def test_a_file_is_an_attachment_under_its_own_name(
    client: TestClient, weights: dict[str, Any]
) -> None:
    response = client.get(weights["url"])
    assert response.content == WEIGHTS
    assert response.headers["content-disposition"] == "attachment; filename*=utf-8''weights.bin"
    assert response.headers["content-type"] == "application/octet-stream"
    assert response.headers["accept-ranges"] == "bytes"
    assert response.headers["etag"] == f'"{weights["sha256"]}"'
    assert response.headers["x-content-type-options"] == "nosniff"


def test_head_is_get_without_the_bytes(client: TestClient, weights: dict[str, Any]) -> None:
    head, get = client.head(weights["url"]), client.get(weights["url"])
    assert (head.status_code, head.content) == (200, b"")
    volatile = {"x-request-id", "ratelimit-remaining", "ratelimit-reset"}
    assert {**head.headers}.keys() == {**get.headers}.keys()
    assert {k: v for k, v in head.headers.items() if k not in volatile} == {
        k: v for k, v in get.headers.items() if k not in volatile
    }


@pytest.mark.parametrize(
    ("asked", "first", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=5-9", 5, 10),
        ("bytes=10000-", 10000, SIZE),
        ("bytes=-3", SIZE - 3, SIZE),
        (f"bytes=-{SIZE + 5}", 0, SIZE),
        (f"bytes=7-{SIZE + 5}", 7, SIZE),
    ],
)
def test_a_range_is_exactly_those_bytes(
    client: TestClient, weights: dict[str, Any], asked: str, first: int, end: int
) -> None:
    response = client.get(weights["url"], headers={"range": asked})
    assert response.status_code == 206
    assert response.content == WEIGHTS[first:end]
    assert response.headers["content-range"] == f"bytes {first}-{end - 1}/{SIZE}"
    assert response.headers["content-length"] == str(end - first)
    head = client.head(weights["url"], headers={"range": asked})
    assert (head.status_code, head.headers["content-length"]) == (206, str(end - first))


@pytest.mark.parametrize(
    "asked", ["bytes=9-5", "bytes=-", "bytes=a-b", "lines=1-2", "bytes=0-1,4-5", "", "bytes=٣-٤"]
)
def test_a_range_that_makes_no_sense_or_is_several_is_ignored(
    client: TestClient, weights: dict[str, Any], asked: str
) -> None:
    response = client.get(weights["url"], headers=[(b"range", asked.encode())])
    assert (response.status_code, response.content) == (200, WEIGHTS)


@pytest.mark.parametrize("asked", [f"bytes={SIZE}-", "bytes=99999999-", "bytes=-0"])
def test_a_range_behind_the_end_is_416_with_the_size(
    client: TestClient, weights: dict[str, Any], asked: str
) -> None:
    response = client.get(weights["url"], headers={"range": asked})
    assert response.status_code == 416
    assert response.headers["content-range"] == f"bytes */{SIZE}"
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["code"] == "range_not_satisfiable"


def test_if_range_resumes_the_same_file_and_restarts_another(
    client: TestClient, weights: dict[str, Any]
) -> None:
    asked = {"range": "bytes=100-"}
    etag = f'"{weights["sha256"]}"'
    same = client.get(weights["url"], headers=asked | {"if-range": etag})
    other = client.get(weights["url"], headers=asked | {"if-range": '"other"'})
    weak = client.get(weights["url"], headers=asked | {"if-range": f"W/{etag}"})
    assert (same.status_code, same.content) == (206, WEIGHTS[100:])
    assert (other.status_code, other.content) == (200, WEIGHTS)
    assert weak.status_code == 200


def test_a_file_the_caller_has_is_304_and_another_version_of_it_412(
    client: TestClient, weights: dict[str, Any]
) -> None:
    etag = f'"{weights["sha256"]}"'
    known = client.get(weights["url"], headers={"if-none-match": etag, "range": "bytes=0-1"})
    assert (known.status_code, known.content, known.headers["etag"]) == (304, b"", etag)
    unlike = client.get(weights["url"], headers={"if-match": '"other"'})
    assert (unlike.status_code, unlike.json()["code"]) == (412, "precondition_failed")


def test_an_artifact_that_is_not_there_is_404(
    client: TestClient, weights: dict[str, Any], store: FileStore
) -> None:
    for artifact_id in ("art_" + "0" * 32, "nonsense", "%C2%85"):
        response = client.get(f"/v1/artifacts/{artifact_id}/content")
        assert (response.status_code, response.json()["code"]) == (404, "artifact_not_found")
    store.retract(weights["job_id"], 1)
    gone = client.get(weights["url"])
    assert (gone.status_code, gone.json()["code"]) == (410, "artifact_damaged")
    assert "missing" in gone.json()["detail"]


def test_an_empty_file_is_sent_and_has_no_ranges(
    client: TestClient, sessions: Sessions, store: FileStore
) -> None:
    job = finish_job(sessions, store, {"empty.txt": b""})
    files = client.get(f"/v1/jobs/{job.id}/artifacts").json()["data"]
    url = next(one["url"] for one in files if one["name"] == "empty.txt")
    assert client.get(url).content == b""
    assert client.get(url, headers={"range": "bytes=0-"}).status_code == 416


def test_the_archive_holds_every_file_and_is_as_long_as_it_said(
    client: TestClient, job_id: str
) -> None:
    response = client.get(f"/v1/jobs/{job_id}/archive")

    assert response.headers["content-type"] == "application/x-tar"
    assert len(response.content) == int(response.headers["content-length"])
    with tarfile.open(fileobj=io.BytesIO(response.content)) as tar:
        found = {m.name: (tar.extractfile(m) or io.BytesIO()).read() for m in tar.getmembers()}
    assert {f"{job_id}/{name}": content for name, content in FILES.items()}.items() <= found.items()
    assert f"{job_id}/SHA256SUMS" in found


def test_the_archive_is_the_same_bytes_every_time_and_304_once_known(
    client: TestClient, job_id: str
) -> None:
    path = f"/v1/jobs/{job_id}/archive"
    first, second = client.get(path), client.get(path)
    assert first.content == second.content
    etag = first.headers["etag"]
    assert client.get(path, headers={"if-none-match": etag}).status_code == 304
    head = client.head(path)
    assert head.headers["content-length"] == first.headers["content-length"]


def test_long_and_foreign_names_survive_the_archive(
    client: TestClient, sessions: Sessions, store: FileStore
) -> None:
    names = [f"model/{'d' * 90}/{'f' * 120}.json", "model/größe 模型.txt"]
    job = finish_job(sessions, store, {name: name.encode() for name in names})
    response = client.get(f"/v1/jobs/{job.id}/archive")
    assert len(response.content) == int(response.headers["content-length"])
    with tarfile.open(fileobj=io.BytesIO(response.content)) as tar:
        assert {f"{job.id}/{name}" for name in names} <= set(tar.getnames())


def test_a_file_that_shrinks_while_it_is_sent_cuts_the_answer(tmp_path: Path) -> None:
    path = tmp_path / "weights.bin"
    path.write_bytes(WEIGHTS[:10])
    with pytest.raises(EOFError):
        list(LocalFile.find(path).chunks(range(SIZE)))


def test_an_unfinished_job_has_an_empty_list_and_no_archive(
    client: TestClient, sessions: Sessions
) -> None:
    path = f"/v1/jobs/{make_job(sessions).id}"
    assert client.get(f"{path}/artifacts").json() == {
        "data": [],
        "next_cursor": None,
        "has_more": False,
    }
    response = client.get(f"{path}/archive")
    assert (response.status_code, response.json()["code"]) == (409, "no_artifacts")


def test_a_damaged_file_is_410_and_listed_and_an_event_and_in_the_log(
    client: TestClient,
    weights: dict[str, Any],
    store: FileStore,
    caplog: pytest.LogCaptureFixture,
) -> None:
    job_id = weights["job_id"]
    assert (weights["damage"], weights["checked_at"] is None) == (None, False)
    before = client.get(f"/v1/jobs/{job_id}/result")
    (store._root / job_id / "1" / weights["name"]).write_bytes(WEIGHTS[::-1])
    for _ in range(2):
        problem = client.get(weights["url"])
        assert (problem.status_code, problem.json()["code"]) == (410, "artifact_damaged")
        assert weights["name"] in problem.json()["detail"]
        assert "rerun" in problem.json()["hint"]
    assert client.get(problem.json()["type"]).status_code == 200
    assert client.get(f"/v1/jobs/{job_id}/archive").status_code == 410
    known = {"if-none-match": before.headers["etag"]}
    result = client.get(f"/v1/jobs/{job_id}/result", headers=known).json()
    (listed,) = (one for one in result["artifacts"] if one["damage"])
    assert "sha256 is" in listed["damage"]
    (event,) = (
        one
        for one in client.get(f"/v1/jobs/{job_id}/events").json()["data"]
        if one["kind"] == "artifact_damaged"
    )
    assert event["data"] == {
        "artifact_id": weights["id"],
        "name": weights["name"],
        "damage": listed["damage"],
    }
    (line,) = (one for one in caplog.records if one.name == "db.files.integrity")
    assert weights["id"] in line.getMessage()


def test_a_damaged_report_is_no_manifest(client: TestClient, job_id: str, store: FileStore) -> None:
    (store._root / job_id / "1" / "report.json").write_bytes(b'{"blocks": [1]}')
    response = client.get(f"/v1/jobs/{job_id}/manifest")
    assert (response.status_code, response.json()["code"]) == (410, "artifact_damaged")


def test_a_long_check_does_not_delay_other_files(
    client: TestClient, app: FastAPI, weights: dict[str, Any], store: FileStore
) -> None:
    path, checks, ends = store._root / weights["job_id"] / "1", app.state.service.checks, Event()
    path.joinpath(weights["name"]).touch()  # so it has to be read again
    busy = [checks._pool.submit(ends.wait) for _ in range(AT_ONCE)]
    with ThreadPoolExecutor(50) as pool:
        waiting = [pool.submit(client.get, weights["url"]) for _ in range(50)]
        try:
            files = client.get(f"/v1/jobs/{weights['job_id']}/artifacts").json()["data"]
            report = next(one for one in files if one["name"] == "report.json")
            assert client.get(report["url"]).content == FILES["report.json"]
            assert not any(one.done() for one in waiting)
        finally:
            ends.set()
        assert all(one.result().content == WEIGHTS for one in waiting)
    assert all(one.result() for one in busy)


def test_a_service_that_closes_does_not_read_a_file_to_its_end(
    client: TestClient, app: FastAPI, weights: dict[str, Any], store: FileStore
) -> None:
    checks = app.state.service.checks
    (store._root / weights["job_id"] / "1" / weights["name"]).touch()
    checks._integrity.close()
    with pytest.raises(RuntimeError, match="interrupted by the shutdown"):
        checks._integrity.read(weights["id"])
