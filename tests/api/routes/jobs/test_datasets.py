"""Routes of uploaded datasets."""

import dataclasses
import errno
import json
import os
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from api.app import create_app
from api.core.settings import ApiSettings
from db.access.keys import Quotas
from db.core.session import Sessions
from db.core.states import JobState
from db.spec.datasets import files
from db.spec.datasets.builtin import BUILTIN_DATASETS
from db.spec.datasets.upload_store import FileUploads
from tests.api.live import serving
from tests.factories import make_job, make_key, make_spec, move
from tests.fakes import ListQueue

TEXT = "Ein Wörterbuch\nof words, \U0001f642\n".encode()
ROWS = b'{"text": "one"}\n\n{"text": "two", "other": 1}\n'
JSONL = "application/jsonl"
JOB = {"model": "org/model", "sparsity": 0.5}
MIB = 1 << 20

Upload = Callable[..., Any]


@pytest.fixture
def upload(client: TestClient) -> Upload:
    def send(
        content: bytes | Iterator[bytes] = TEXT,
        kind: str = "text/plain",
        name: str | None = None,
        **headers: str,
    ) -> Any:
        sent = {"content-type": kind} | {key.replace("_", "-"): headers[key] for key in headers}
        params = {} if name is None else {"name": name}
        return client.post("/v1/datasets", content=content, params=params, headers=sent)

    return send


def stored(settings: ApiSettings) -> list[Path]:
    return sorted(settings.upload_dir.iterdir()) if settings.upload_dir.is_dir() else []


@pytest.mark.parametrize(
    ("content", "kind", "kept_as"),
    [
        (TEXT, "text/plain", "text/plain"),
        (TEXT, "text/plain; charset=UTF-8", "text/plain"),
        (ROWS, JSONL, JSONL),
        (ROWS, "application/x-ndjson", JSONL),
    ],
)
def test_what_is_uploaded_is_kept_as_it_came_and_found_again(
    client: TestClient,
    upload: Upload,
    settings: ApiSettings,
    content: bytes,
    kind: str,
    kept_as: str,
) -> None:
    response = upload(content, kind, "tickets")
    made = response.json()
    assert response.status_code == 201, made
    assert response.headers["location"] == f"/v1/datasets/{made['id']}"
    assert made["dataset"] == f"uploaded:{made['id']}"
    assert (made["name"], made["media_type"]) == ("tickets", kept_as)
    assert (made["size_bytes"], made["sha256"]) == (len(content), sha256(content).hexdigest())
    (path,) = stored(settings)
    assert path.read_bytes() == content
    found = client.get(response.headers["location"]).json()
    assert found | made == found
    assert client.get("/v1/datasets").json()["data"][-1] == made


def test_the_built_in_ones_are_listed_first(client: TestClient) -> None:
    listed = client.get("/v1/datasets").json()["data"]
    assert [one["dataset"] for one in listed] == list(BUILTIN_DATASETS)
    assert all(one["kind"] == "builtin" and one["description"] for one in listed)
    assert [one["protocol"] for one in listed[:2]] == ["wikitext2@2048", "c4@2048"]


@pytest.mark.parametrize(
    ("content", "kind", "text"),
    [
        (b"", "text/plain", "no text"),
        (b" \n\t\n", "text/plain", "no text"),
        (b"a\nb\xff\n", "text/plain", "line 2 is not UTF-8"),
        (b"a" * MIB + b"\n\xe2\x82", "text/plain", "line 2 is not UTF-8"),
        (b"a\n\nb\0", "text/plain", "line 3 has a NUL byte"),
        (b"\x89PNG\r\n\x1a\n\0\0", "text/plain", "line 1 is not UTF-8"),
        (b"", JSONL, "no rows"),
        (b'{"text": "a"}\n{"text"', JSONL, "line 2 is not JSON"),
        (b'{"text": "a"}\n\xff', JSONL, "line 2 is not UTF-8"),
        (b'{"text": "a"}\n{"text": ""}', JSONL, "line 2 has an empty text"),
        (b'{"text": " "}', JSONL, "no text"),
        (b'{"text": "a"}\n["a"]', JSONL, "line 2 is not a JSON object"),
        (b'{"text": 7}', JSONL, "line 1: text is 7, neither"),
        (b'{"text": "\\ud800"}', JSONL, "line 1 has an unpaired surrogate"),
        (b'{"input_ids": [1, 2]}', JSONL, "line 1 has input_ids"),
        (b"[" * 100_000, JSONL, "line 1 is not JSON"),
    ],
)
def test_what_no_job_could_read_is_refused_with_its_line_and_a_remedy(
    client: TestClient,
    upload: Upload,
    settings: ApiSettings,
    content: bytes,
    kind: str,
    text: str,
) -> None:
    response = upload(content, kind)
    problem = response.json()
    assert (response.status_code, problem["code"]) == (422, "unreadable_dataset")
    assert text in problem["detail"]
    assert problem["hint"]
    assert client.get(problem["type"]).status_code == 200
    assert stored(settings) == []


def test_a_letter_that_two_pieces_share_is_a_letter(upload: Upload) -> None:
    assert upload("€".encode() * MIB).status_code == 201


@pytest.mark.parametrize(
    ("kind", "headers"),
    [
        ("application/json", {}),
        ("application/zip", {}),
        ("application/gzip", {}),
        ("text/plain; charset=latin-1", {}),
        ("", {}),
        ("text/plain", {"content_encoding": "gzip"}),
        (JSONL, {"content_encoding": "br"}),
    ],
)
def test_another_kind_of_body_is_415(
    upload: Upload, settings: ApiSettings, kind: str, headers: dict[str, str]
) -> None:
    response = upload(TEXT, kind, **headers)
    assert (response.status_code, response.json()["code"]) == (415, "unsupported_media_type")
    assert "text/plain" in response.json()["hint"]
    assert stored(settings) == []


@pytest.mark.parametrize("declared", [True, False])
def test_too_large_is_413_declared_or_not(
    settings: ApiSettings, queue: ListQueue, declared: bool
) -> None:
    small = settings.model_copy(update={"max_dataset_bytes": 10})
    with TestClient(create_app(small, queue), base_url="http://127.0.0.1") as client:
        for size, status in ((10, 201), (11, 413)):
            content = b"x" * size
            response = client.post(
                "/v1/datasets",
                content=content if declared else iter([content[:5], content[5:]]),
                headers={"content-type": "text/plain"},
            )
            assert response.status_code == status
    assert response.json()["code"] == "dataset_too_large"
    assert "ZPRUNER_MAX_DATASET_BYTES" in response.json()["hint"]
    assert len(stored(settings)) == 1


def test_an_upload_is_never_in_memory_as_a_whole(settings: ApiSettings, queue: ListQueue) -> None:
    line = b"a line of a text that is long\n" * 2048
    headers = {"content-type": "text/plain"}

    def lines(size: int) -> Iterator[bytes]:
        return (line for _ in range(size // len(line)))

    with serving(create_app(settings, queue)) as url:
        post = partial(httpx.post, f"{url}/v1/datasets", headers=headers, timeout=120)
        post(content=b"warm")
        tracemalloc.start()
        for size, status in ((60 * MIB, 201), (80 * MIB, 413)):
            assert post(content=lines(size)).status_code == status
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 16 * MIB
    assert len(stored(settings)) == 2


def test_an_upload_that_breaks_off_leaves_nothing(settings: ApiSettings, queue: ListQueue) -> None:
    def broken() -> Iterator[bytes]:
        yield b"half a text"
        raise ConnectionError

    headers = {"content-type": "text/plain"}
    with serving(create_app(settings, queue)) as url:
        with pytest.raises(ConnectionError):
            httpx.post(f"{url}/v1/datasets", content=broken(), headers=headers, timeout=60)
        assert len(httpx.get(f"{url}/v1/datasets", timeout=60).json()["data"]) == len(
            BUILTIN_DATASETS
        )
    assert stored(settings) == []


class FullDisk(FileUploads):
    """A store on a disk without room."""

    number = errno.ENOSPC

    def place(self, staged: Path, dataset_id: str, sha256: str) -> None:
        raise OSError(self.number, os.strerror(self.number))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_507_and_leaves_nothing(
    app: FastAPI, upload: Upload, settings: ApiSettings, number: int
) -> None:
    full = FullDisk(settings.upload_dir)
    full.number = number
    app.state.service = dataclasses.replace(app.state.service, uploads=full)
    response = upload()
    assert (response.status_code, response.json()["code"]) == (507, "disk_full")
    assert stored(settings) == []


@pytest.mark.parametrize("field", ["text", "body"])
def test_more_rows_than_a_job_accepts_are_refused(
    upload: Upload, monkeypatch: pytest.MonkeyPatch, settings: ApiSettings, field: str
) -> None:
    monkeypatch.setattr(files, "MAX_ROWS", 100)
    row = b'{"%s": "a"}\n' % field.encode()
    assert upload(row * 100, JSONL).status_code == 201
    response = upload(row * 101, JSONL)
    assert (response.status_code, response.json()["code"]) == (422, "unreadable_dataset")
    assert "more than 100 rows" in response.json()["detail"]
    assert len(stored(settings)) == 1


def test_the_same_bytes_are_the_same_dataset(
    client: TestClient, upload: Upload, settings: ApiSettings
) -> None:
    first, again, as_rows = upload(ROWS, name="a"), upload(ROWS, name="b"), upload(ROWS, JSONL)
    assert [one.status_code for one in (first, again, as_rows)] == [201, 200, 201]
    assert again.json() == first.json()
    assert again.headers["location"] == first.headers["location"]
    assert as_rows.json()["id"] != first.json()["id"]
    assert len(stored(settings)) == 2


def test_the_same_bytes_at_once_are_one_dataset(upload: Upload, settings: ApiSettings) -> None:
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: upload(), range(4)))
    assert sorted(one.status_code for one in answers) == [200, 200, 200, 201]
    assert len({one.json()["id"] for one in answers}) == 1
    assert [path.stem for path in stored(settings)] == [answers[0].json()["id"]]


def test_a_parameter_that_does_not_exist_is_refused(client: TestClient) -> None:
    headers = {"content-type": "text/plain"}
    response = client.post("/v1/datasets?nmae=x", content=TEXT, headers=headers)
    assert (response.status_code, response.json()["code"]) == (422, "invalid_request")
    assert "name" in response.json()["hint"]


def test_one_that_is_not_there_is_404(client: TestClient) -> None:
    for dataset_id in ("dat_" + "0" * 32, "nonsense"):
        for response in (
            client.get(f"/v1/datasets/{dataset_id}"),
            client.delete(f"/v1/datasets/{dataset_id}"),
        ):
            assert (response.status_code, response.json()["code"]) == (404, "upload_not_found")


@pytest.mark.parametrize("field", ["dataset", "eval_dataset"])
def test_a_job_names_an_upload_that_is_there(
    client: TestClient, upload: Upload, queue: ListQueue, field: str
) -> None:
    made = upload().json()
    body = JOB | {"dataset": "wikitext2"}
    accepted = client.post("/v1/jobs", json=body | {field: made["dataset"]})
    assert accepted.status_code == 201
    for name in (f"uploaded:dat_{'0' * 32}", "uploaded:../x", "uploaded:"):
        refused = client.post("/v1/jobs", json=body | {field: name})
        assert (refused.status_code, refused.json()["code"]) == (422, "dataset_not_found")
        assert refused.json()["errors"][0]["pointer"] == f"/{field}"
    assert queue.ids == [accepted.json()["id"]]


def test_a_dataset_stays_while_a_job_that_has_not_ended_needs_it(
    client: TestClient, upload: Upload, sessions: Sessions, settings: ApiSettings
) -> None:
    made = upload().json()
    path = f"/v1/datasets/{made['id']}"
    jobs = [make_job(sessions, make_spec(**{name: made["dataset"]})) for name in
            ("dataset", "eval_dataset")]  # fmt: skip
    make_job(sessions)
    with sessions.begin() as session:
        move(session, jobs[1].id, JobState.running)
    refused = client.delete(path)
    assert (refused.status_code, refused.json()["code"]) == (409, "dataset_in_use")
    assert all(job.id in refused.json()["detail"] for job in jobs)
    assert len(stored(settings)) == 1
    for job in jobs:
        client.post(f"/v1/jobs/{job.id}/cancel")
    assert client.delete(path).status_code == 409
    with sessions.begin() as session:
        move(session, jobs[1].id, JobState.cancelled)
    assert client.delete(path).status_code == 204
    assert client.get(path).status_code == 404
    assert stored(settings) == []
    again = client.post(f"/v1/jobs/{jobs[0].id}/rerun", json={})
    assert (again.status_code, again.json()["code"]) == (422, "dataset_not_found")


def test_uploads_count_for_the_keys_bytes(guarded: TestClient, sessions: Sessions) -> None:
    _, token = make_key(sessions, quotas=Quotas(artifact_bytes=len(TEXT) + 1))
    headers = {"authorization": f"Bearer {token}", "content-type": "text/plain"}
    assert guarded.post("/v1/datasets", content=TEXT, headers=headers).status_code == 201
    assert guarded.post("/v1/datasets", content=TEXT, headers=headers).status_code == 200
    refused = guarded.post("/v1/datasets", content=b"two", headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (429, "quota_exceeded")
    assert json.dumps(len(TEXT)) in refused.json()["detail"]
    used = guarded.get("/v1/me", headers=headers).json()["quotas"]["artifact_bytes"]["used"]
    assert used == len(TEXT)


def test_a_dataset_shows_its_beginning_and_the_jobs_that_use_it(
    client: TestClient, upload: Upload, sessions: Sessions
) -> None:
    made = upload(ROWS, JSONL).json()
    other = make_job(sessions)
    users = [
        make_job(sessions, spec=make_spec(dataset=made["dataset"]), name="first"),
        make_job(sessions, spec=make_spec(eval_dataset=made["dataset"])),
    ]

    found = client.get(f"/v1/datasets/{made['id']}").json()

    assert found["lines"] == ['{"text": "one"}', "", '{"text": "two", "other": 1}']
    assert found["fields"] == ["text"]
    assert found["approximate_tokens"] == len(ROWS) // 4
    assert [one["id"] for one in found["jobs"]] == [one.id for one in reversed(users)]
    assert found["jobs"][1] | {"name": "first", "status": "queued"} == found["jobs"][1]
    assert other.id not in str(found)
