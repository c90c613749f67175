"""Trials of finished jobs are created, listed, limited, and refused if they have no model."""

from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import update

from api.app import create_app
from api.core.settings import ApiSettings
from db.core.retention_rules import RetentionRule
from db.core.session import Sessions
from db.files.artifact_store import ArtifactStore
from db.scheduling.claims import ClaimRepository
from db.scheduling.leases import LeaseRepository
from db.tables.access import AccessScope
from db.tables.artifacts import Artifact
from tests.api.work import finish_job
from tests.factories import make_job, make_key, make_spec
from tests.fakes import ListQueue
from tests.worker.sources.builders import model_files, write
from worker.control.retention import delete_files

PROMPT = {"prompt": "Once upon a time"}


@pytest.fixture
def job_id(sessions: Sessions, store: ArtifactStore, roots: Path) -> str:
    write(roots / "model", model_files())
    return finish_job(sessions, store, spec=make_spec(model="local:model")).id


def path(job_id: str, trial_id: str = "") -> str:
    return f"/v1/jobs/{job_id}/trials/{trial_id}".rstrip("/")


def create(client: TestClient, job_id: str, **fields: Any) -> dict[str, Any]:
    response = client.post(path(job_id), json=PROMPT | fields)
    assert response.status_code == 201, response.text
    found: dict[str, Any] = response.json()
    assert response.headers["location"] == path(job_id, found["id"])
    return found


def refused(client: TestClient, job_id: str, **fields: Any) -> tuple[int, str, str]:
    response = client.post(path(job_id), json=PROMPT | fields)
    problem = response.json()
    return response.status_code, problem["code"], problem["detail"]


def test_a_trial_is_queued_and_has_its_answer_when_a_worker_has_given_it(
    client: TestClient, job_id: str, queue: ListQueue, sessions: Sessions
) -> None:
    trial = create(client, job_id, max_tokens=5, seed=1)
    assert (trial["job_id"], trial["status"], trial["queue_position"]) == (job_id, "queued", 1)
    assert (trial["prompt"], trial["max_tokens"], trial["seed"]) == ("Once upon a time", 5, 1)
    assert trial["answer"] is None
    assert queue.ids[-1] == trial["id"]
    with sessions.begin() as session:
        ClaimRepository(session).claim(trial["id"], "gpu@test")
        answer = {"dense": "a", "pruned": "b"}
        LeaseRepository(session).succeed(trial["id"], 1, answer, [])
    found = client.get(path(job_id, trial["id"])).json()
    assert (found["status"], found["answer"], found["queue_position"]) == (
        "succeeded",
        answer,
        None,
    )
    assert client.get(path(job_id)).json()["data"] == [found]
    assert trial["id"] not in client.get("/v1/jobs").text
    assert client.get(f"/v1/jobs/{trial['id']}").json()["status"] == "succeeded"


def test_a_repeated_request_creates_one_trial(client: TestClient, job_id: str) -> None:
    headers = {"idempotency-key": "one"}
    first, again = (client.post(path(job_id), json=PROMPT, headers=headers) for _ in range(2))
    assert first.json() == again.json()
    assert again.headers["idempotency-replayed"] == "true"
    other = client.post(path(job_id), json={"prompt": "other"}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_conflict")
    assert len(client.get(path(job_id)).json()["data"]) == 1


def test_trials_are_paged(client: TestClient, job_id: str) -> None:
    ids = [create(client, job_id)["id"] for _ in range(3)]
    first = client.get(path(job_id), params={"limit": 2})
    assert first.json()["has_more"]
    second = client.get(first.links["next"]["url"])
    found = [one["id"] for page in (first, second) for one in page.json()["data"]]
    assert found == ids[::-1]


def test_a_queued_trial_is_cancelled_as_any_job(client: TestClient, job_id: str) -> None:
    trial = create(client, job_id)
    assert client.post(f"/v1/jobs/{trial['id']}/cancel").json()["status"] == "cancelled"
    assert client.get(path(job_id, trial["id"])).json()["status"] == "cancelled"


def test_a_key_may_have_few_trials_in_the_queue(client: TestClient, job_id: str) -> None:
    for _ in range(4):
        last = create(client, job_id)
    response = client.post(path(job_id), json=PROMPT)
    assert (response.status_code, response.json()["code"]) == (429, "too_many_trials")
    assert "4 trials have not ended" in response.json()["detail"]
    assert response.json()["retryable"] is True
    assert int(response.headers["retry-after"]) > 0
    client.post(f"/v1/jobs/{last['id']}/cancel")
    create(client, job_id)


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"prompt": ""}, "/prompt"),
        ({"prompt": "a" * 4001}, "/prompt"),
        ({"prompt": "a\0b"}, "/prompt"),
        ({"max_tokens": 0}, "/max_tokens"),
        ({"max_tokens": 257}, "/max_tokens"),
        ({"max_tokens": "many"}, "/max_tokens"),
        ({"seed": -1}, "/seed"),
        ({"seed": 2**63}, "/seed"),
        ({"temperature": 1}, "/temperature"),
    ],
)
def test_a_malformed_trial_is_refused_at_its_field(
    client: TestClient, job_id: str, fields: dict[str, Any], pointer: str
) -> None:
    response = client.post(path(job_id), json=PROMPT | fields)
    assert response.status_code == 422
    assert [one["pointer"] for one in response.json()["errors"]] == [pointer]


def test_a_job_without_files_has_no_model_to_try(
    client: TestClient, sessions: Sessions, job_id: str
) -> None:
    queued = make_job(sessions)
    assert refused(client, queued.id)[:2] == (409, "no_artifacts")
    trial = create(client, job_id)
    assert refused(client, trial["id"])[:2] == (409, "no_artifacts")
    assert refused(client, "job_" + "0" * 32)[:2] == (404, "job_not_found")


def test_a_job_whose_files_a_rule_deleted_is_refused_with_the_rule(
    client: TestClient, sessions: Sessions, store: ArtifactStore, job_id: str
) -> None:
    delete_files(sessions, store, [RetentionRule(name="old", max_jobs=0)])
    status, code, detail = refused(client, job_id)
    assert (status, code) == (410, "artifact_deleted")
    assert "the retention rule old" in detail


def test_a_job_with_a_damaged_file_is_refused(
    client: TestClient, sessions: Sessions, job_id: str
) -> None:
    with sessions.begin() as session:
        session.execute(update(Artifact).where(Artifact.job_id == job_id).values(damage="torn"))
    assert refused(client, job_id)[:2] == (410, "artifact_damaged")


def test_a_job_whose_dense_model_is_gone_is_refused(
    client: TestClient, job_id: str, roots: Path
) -> None:
    (roots / "model").rename(roots / "moved")
    status, code, detail = refused(client, job_id)
    assert (status, code) == (422, "model_not_found")
    assert "there is no such folder" in detail


def test_a_trial_cannot_be_rerun(client: TestClient, job_id: str) -> None:
    trial = create(client, job_id)
    response = client.post(f"/v1/jobs/{trial['id']}/rerun", json={"sparsity": 0.6})
    assert (response.status_code, response.json()["code"]) == (409, "invalid_state")
    assert "answers a trial" in response.json()["detail"]


def test_a_trial_of_a_worker_that_knows_none_has_no_answer(
    client: TestClient, job_id: str, sessions: Sessions
) -> None:
    trial = create(client, job_id)
    with sessions.begin() as session:
        ClaimRepository(session).claim(trial["id"], "gpu@old")
        LeaseRepository(session).succeed(trial["id"], 1, {"pruned_perplexity": 9.0}, [])
    assert client.get(path(job_id, trial["id"])).json()["answer"] is None


def test_a_trial_is_found_below_its_own_job_only(
    client: TestClient, sessions: Sessions, store: ArtifactStore, job_id: str
) -> None:
    trial = create(client, job_id)
    other = finish_job(sessions, store)
    assert client.get(path(other.id, trial["id"])).status_code == 404
    assert client.get(path(job_id, "nonsense")).status_code == 404


def test_jobs_of_another_key_cannot_be_tried_and_their_trials_not_read(
    guarded: TestClient, sessions: Sessions, store: ArtifactStore, roots: Path
) -> None:
    write(roots / "model", model_files())
    spec = make_spec(model="local:model")
    (owner, token), (_, other) = make_key(sessions), make_key(sessions)
    admin = make_key(sessions, AccessScope.admin)[1]
    job = finish_job(sessions, store, spec=spec, created_by=owner.id)
    statuses = {}
    for name, one in {"owner": token, "other": other, "admin": admin}.items():
        headers = {"authorization": f"Bearer {one}"}
        posted = guarded.post(path(job.id), json=PROMPT, headers=headers)
        listed = guarded.get(path(job.id), headers=headers)
        statuses[name] = (posted.status_code, listed.status_code)
        if posted.status_code == 404:
            assert posted.json()["code"] == "job_not_found"
    assert statuses == {"owner": (201, 200), "other": (404, 404), "admin": (201, 200)}


def test_no_trial_is_accepted_where_the_operator_allows_none(
    settings: ApiSettings, job_id: str
) -> None:
    app: FastAPI = create_app(settings.model_copy(update={"max_trials": 0}), ListQueue())
    with TestClient(app, base_url="http://127.0.0.1") as client:
        response = client.post(path(job_id), json=PROMPT)
        assert client.get(response.json()["type"]).status_code == 200
    assert (response.status_code, response.json()["code"]) == (409, "no_trials")
    assert "this service takes no trials" in response.json()["detail"]
    assert response.json()["retryable"] is False
    assert response.headers["x-should-retry"] == "false"
    assert "retry-after" not in response.headers
