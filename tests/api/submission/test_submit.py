from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2 as httpx
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError

from db.core.session import Sessions
from db.core.states import JobState
from db.files.file_store import FileStore
from db.scheduling.queues import QueueRepository
from db.scheduling.recovery import RecoveryRepository
from db.tables.jobs import Job, StoredResponse
from tests.api.work import finish_job
from tests.factories import make_job, make_spec
from tests.fakes import ListQueue

SMALLEST = {"model": "org/model", "sparsity": 0.5, "dataset": "wikitext2"}


def post(client: TestClient, key: str | None = None, **fields: Any) -> httpx.Response:
    headers = {} if key is None else {"idempotency-key": key}
    return client.post("/v1/jobs", json=SMALLEST | fields, headers=headers)


def count(sessions: Sessions, table: type[Job | StoredResponse] = Job) -> int:
    with sessions() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def test_the_same_request_with_the_same_key_gets_the_first_response_again(
    client: TestClient, sessions: Sessions, queue: ListQueue
) -> None:
    first = post(client, "key-1")
    client.post(f"{first.headers['location']}/cancel")
    # The same request, though a default is spelt out.
    second = post(client, "key-1", method="zpruner")

    assert (first.status_code, second.status_code) == (201, 201)
    assert second.json() == first.json()
    assert second.headers["location"] == first.headers["location"]
    assert second.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert queue.ids == [first.json()["id"]]
    assert count(sessions) == 1


def test_another_request_with_the_same_key_is_refused_and_does_nothing(
    client: TestClient, sessions: Sessions
) -> None:
    post(client, "key-1")
    other = post(client, "key-1", sparsity=0.25)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_conflict")
    assert client.get(other.json()["type"]).status_code == 200
    assert count(sessions) == 1
    assert post(client, "key-2", sparsity=0.25).status_code == 201


def test_a_refused_request_leaves_its_key_free(client: TestClient) -> None:
    assert post(client, "key-1", pattern="2:4", scope="row").status_code == 422
    assert post(client, "key-1", pattern="2:4").status_code == 201


@pytest.mark.parametrize("key", ["", "a b", "ä", "k" * 256])
def test_a_key_that_is_none_is_refused(key: str, client: TestClient) -> None:
    header = (b"idempotency-key", key.encode("latin-1"))
    response = client.post("/v1/jobs", json=SMALLEST, headers=[header])
    (field,) = response.json()["errors"]
    assert response.status_code == 422
    assert field["pointer"] == "header/idempotency-key"


def test_of_many_that_come_at_once_with_one_key_one_makes_a_job(
    client: TestClient, sessions: Sessions, queue: ListQueue
) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: post(client, "key-1"), range(8)))
    assert [answer.status_code for answer in answers] == [201] * 8
    assert len({answer.headers["location"] for answer in answers}) == 1
    assert (count(sessions), count(sessions, StoredResponse), len(queue.ids)) == (1, 1, 1)


def test_a_dry_run_shows_what_would_be_accepted_and_writes_nothing(
    client: TestClient, sessions: Sessions, queue: ListQueue
) -> None:
    body = SMALLEST | {"name": "first"}
    headers = {"idempotency-key": "key-1"}
    response = client.post("/v1/jobs?dry_run=true", json=body, headers=headers)

    assert response.status_code == 200
    shown = response.json()
    assert shown["spec"] == make_spec().model_dump(mode="json")
    assert (shown["name"], shown["identical_job_id"]) == ("first", None)
    assert "was not checked" in shown["warnings"][0]
    assert (count(sessions), count(sessions, StoredResponse), queue.ids) == (0, 0, [])
    refused = client.post("/v1/jobs?dry_run=true", json=SMALLEST | {"pattern": "1:4"})
    assert (refused.status_code, refused.json()["code"]) == (422, "unfit_combination")


def test_a_job_that_succeeded_is_reused_when_that_is_asked_for(
    client: TestClient, sessions: Sessions, store: FileStore, queue: ListQueue
) -> None:
    make_job(sessions, status=JobState.failed)
    older, latest = (finish_job(sessions, store) for _ in range(2))

    reused = post(client, reuse="if_succeeded")

    assert older.id < latest.id
    assert (reused.status_code, reused.json()["id"]) == (200, latest.id)
    assert reused.headers["location"] == f"/v1/jobs/{latest.id}"
    assert queue.ids == []
    dry = client.post("/v1/jobs?dry_run=true", json=SMALLEST)
    assert dry.json()["identical_job_id"] == latest.id
    assert post(client, reuse="if_succeeded", seed=2).status_code == 201
    assert post(client).status_code == 201


def test_a_job_is_reused_only_while_its_files_are_there_and_whole(
    client: TestClient, sessions: Sessions, store: FileStore
) -> None:
    older, latest = (finish_job(sessions, store) for _ in range(2))
    weights = store._root / latest.id / "1" / "model" / "weights.bin"
    weights.write_bytes(weights.read_bytes()[::-1])
    assert post(client, reuse="if_succeeded").json()["id"] == older.id
    store.retract(older.id, 1)
    assert client.post("/v1/jobs?dry_run=true", json=SMALLEST).json()["identical_job_id"] is None
    assert post(client, reuse="if_succeeded").status_code == 201


def test_a_key_repeats_the_answer_of_a_reused_job_too(
    client: TestClient, sessions: Sessions, store: FileStore
) -> None:
    job = finish_job(sessions, store)
    for _ in range(2):
        answer = post(client, "key-1", reuse="if_succeeded")
        assert (answer.status_code, answer.json()["id"]) == (200, job.id)


def test_a_database_error_after_the_commit_leaves_the_message_to_the_control_process(
    client: TestClient, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise OperationalError("UPDATE", {}, Exception("server closed the connection"))

    job = make_job(sessions, status=JobState.failed)
    sweep = SMALLEST | {"grid": {"sparsity": [0.25, 0.5]}}
    for repository, step in ((QueueRepository, "queue_of"), (RecoveryRepository, "mark_pushed")):
        monkeypatch.setattr(repository, step, fail)
        assert post(client).status_code == 201
        assert client.post("/v1/sweeps", json=sweep).status_code == 201
    assert client.post(f"/v1/jobs/{job.id}/retry").json()["status"] == "queued"
    assert count(sessions) == 7
    with sessions() as session:
        assert session.scalars(select(Job.pushed_at).distinct()).all() == [None]
