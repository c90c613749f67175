"""Jobs that use what was uploaded, from the request to the report; and files left over."""

import json
import os
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from api.core.settings import ApiSettings
from benchmarks.llama import RandomLlama
from db.core.session import Sessions
from db.core.states import JobState
from db.files.artifact_store import ArtifactStore
from db.files.artifacts import ArtifactRepository
from db.files.file_store import FileStore
from db.spec.datasets.upload_store import FileUploads
from tests.fakes import ListQueue
from tests.worker.rows import read
from worker.attempts.engine import prune
from worker.attempts.run import Runner
from worker.control import cleanup
from worker.estimates.estimate import estimate
from worker.settings import WorkerSettings

TINY = RandomLlama(blocks=2, width=64, intermediate=128, heads=2, vocabulary=256)
SENTENCE = "The quick brown fox number {} jumps over the lazy dog."
SENTENCES = [SENTENCE.format(number) for number in range(400)]
TEXT = "\n".join(SENTENCES).encode()
ROWS = "".join(json.dumps({"text": one}) + "\n" for one in SENTENCES).encode()
LATER = time.time() - cleanup.INCOMPLETE_AFTER / timedelta(seconds=1) - 60


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> dict[str, Any]:
    TINY.write(tmp_path / "roots" / "tiny")
    roots = {"model_roots": (tmp_path / "roots",)}
    return {"data_dir": tmp_path, "database_url": database_url, "device": "cpu"} | roots


@pytest.fixture
def client(settings: dict[str, Any]) -> Iterator[TestClient]:
    app = create_app(ApiSettings.model_validate(settings), ListQueue())
    with TestClient(app, base_url="http://127.0.0.1") as client:
        yield client


def upload(client: TestClient, content: bytes, kind: str) -> dict[str, Any]:
    headers = {"content-type": kind}
    made: dict[str, Any] = client.post("/v1/datasets", content=content, headers=headers).json()
    return made


def report(sessions: Sessions, store: ArtifactStore, job_id: str) -> dict[str, Any]:
    assert read(sessions, job_id).status is JobState.succeeded, read(sessions, job_id).error
    with sessions() as session:
        files = ArtifactRepository(session).of_job(job_id)
    file = store.open(next(one for one in files if one.name == "report.json"))
    found: dict[str, Any] = json.loads(file.content())
    return found


def test_a_job_calibrates_and_evaluates_on_uploads_and_its_report_says_which(
    client: TestClient,
    sessions: Sessions,
    store: ArtifactStore,
    runner: Callable[..., Runner],
    settings: dict[str, Any],
) -> None:
    text, rows = upload(client, TEXT, "text/plain"), upload(client, ROWS, "application/jsonl")
    body = {"model": "local:tiny", "sparsity": 0.5, "dataset": rows["dataset"]}
    body |= {"samples": 4, "seq_len": 64, "eval_samples": 4, "eval_dataset": text["dataset"]}
    job_id = client.post("/v1/jobs", json=body).json()["id"]
    spec = read(sessions, job_id).spec
    fields = WorkerSettings.model_validate(settings)
    assert estimate(spec, fields)["windows"]["calibration"] == 4

    runner(prune, **settings).run(job_id)

    found = report(sessions, store, job_id)
    for card, one in ((found["calibration"], rows), (found["metrics"]["protocol"], text)):
        assert (card["dataset"], card["dataset_sha256"]) == (one["dataset"], one["sha256"])
    for one in (text, rows):
        assert client.delete(f"/v1/datasets/{one['id']}").status_code == 204


def test_a_job_whose_upload_was_deleted_fails_with_the_reason(
    client: TestClient, sessions: Sessions, runner: Callable[..., Runner], settings: dict[str, Any]
) -> None:
    made = upload(client, TEXT, "text/plain")
    body = {"model": "local:tiny", "sparsity": 0.5, "dataset": made["dataset"]}
    job_id = client.post("/v1/jobs", json=body).json()["id"]
    FileUploads(settings["data_dir"] / "uploads").delete(made["id"])
    runner(prune, **settings).run(job_id)
    error = read(sessions, job_id).error
    assert error is not None
    assert error["code"] == "dataset_not_found"


def test_old_files_without_a_dataset_are_deleted(
    client: TestClient, sessions: Sessions, settings: dict[str, Any]
) -> None:
    uploads = FileUploads(settings["data_dir"] / "uploads")
    kept = upload(client, TEXT, "text/plain")
    cut_short, orphan = uploads.stage("text/plain"), uploads.stage("application/jsonl")
    for path in (cut_short, orphan):
        path.write_bytes(b"half")
    uploads.place(orphan, "dat_" + "0" * 32, "")
    assert cleanup.delete_orphaned_uploads(sessions, uploads) == 0
    for path in (settings["data_dir"] / "uploads").iterdir():
        os.utime(path, (LATER, LATER))
    assert cleanup.delete_orphaned_uploads(sessions, uploads) == 2
    left = [path.stem for path in (settings["data_dir"] / "uploads").iterdir()]
    assert left == [kept["id"]]


@pytest.mark.parametrize("field", ["dataset", "eval_dataset"])
def test_a_job_fails_if_its_dataset_changed_on_disk(
    client: TestClient,
    settings: dict[str, Any],
    sessions: Sessions,
    field: str,
) -> None:
    made = upload(client, ROWS, "application/jsonl")
    fields = WorkerSettings.model_validate(settings)
    path = fields.upload_dir / f"{made['id']}.jsonl"
    path.write_bytes(ROWS.replace(b"fox", b"dog", 1))
    body = {"model": "local:tiny", "sparsity": 0.5, "dataset": "stdlib-docs"}
    job = client.post("/v1/jobs", json=body | {field: made["dataset"]}).json()
    Runner(sessions, FileStore(fields.artifact_dir), prune, fields, worker="w").run(job["id"])
    error = read(sessions, job["id"]).error
    assert error is not None
    assert (error["code"], error["errors"][0]["pointer"]) == ("damaged_dataset", f"/{field}")
    assert made["sha256"] in error["detail"]
    assert "upload it again" in error["hint"]


def test_a_job_reads_the_column_that_it_names(
    client: TestClient, settings: dict[str, Any], sessions: Sessions
) -> None:
    lines = [f'{number},nothing,"{one}"\n' for number, one in enumerate(SENTENCES)]
    made = upload(client, "".join(["id,text,body\n", *lines]).encode(), "text/csv")
    fields = WorkerSettings.model_validate(settings)
    store = FileStore(fields.artifact_dir)
    tokens = {}
    for chosen in ("body", "text"):
        body = {"model": "local:tiny", "sparsity": 0.5, "samples": 4, "seq_len": 16}
        request = body | {"dataset": made["dataset"], "text_field": chosen}
        job = client.post("/v1/jobs", json=request).json()
        Runner(sessions, store, prune, fields, worker="w").run(job["id"])
        made_of = report(sessions, store, job["id"])
        assert made_of["calibration"]["text_field"] == chosen
        tokens[chosen] = made_of["evaluation"]["tokens"]
    assert tokens["body"] > 2 * tokens["text"] > 0
