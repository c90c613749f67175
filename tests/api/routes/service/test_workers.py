"""Routes of workers and queues, and jobs that choose a queue."""

from datetime import timedelta

import pytest
from fastapi.testclient import TestClient

from db.core.session import Sessions
from db.scheduling import workers
from db.scheduling.claims import ClaimRepository
from db.scheduling.workers import WorkerRepository
from tests.db.scheduling.workers import silent_for
from tests.factories import make_job, make_worker
from tests.fakes import ListQueue

WORKER = "wrk_" + "a" * 32
JOB = {"model": "org/model", "sparsity": 0.5, "dataset": "wikitext2"}


@pytest.fixture
def worker(sessions: Sessions) -> str:
    with sessions.begin() as session:
        WorkerRepository(session).register(
            make_worker("gpu@host", id=WORKER, device="cuda: H100", memory_bytes=80 << 30)
        )
    return WORKER


def test_workers_tell_what_they_are_and_what_they_hold(
    client: TestClient, sessions: Sessions, worker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_job(sessions)
    with sessions.begin() as session:
        ClaimRepository(session).claim(job.id, "host/1", worker_id=worker)
        WorkerRepository(session).set_job(worker, job.id)
    # A busy machine may need more than 8 s between two steps.
    monkeypatch.setattr(workers, "SILENT_AFTER", timedelta(seconds=30))
    (found,) = client.get("/v1/workers").json()["data"]
    assert (found["id"], found["name"], found["state"]) == (worker, "gpu@host", "busy")
    assert (found["job_id"], found["device"], found["memory_bytes"]) == (
        job.id,
        "cuda: H100",
        80 << 30,
    )
    assert (found["job"]["model"], found["job"]["phase"]) == (job.spec.model, None)
    assert found["job"]["progress"]["fraction"] == 0
    silent_for(sessions, "gpu@host", timedelta(seconds=31))
    (found,) = client.get("/v1/workers").json()["data"]
    assert found["state"] == "silent"
    assert 31 <= found["silent_seconds"] < 60
    silent_for(sessions, "gpu@host", timedelta(minutes=2))
    assert client.get("/v1/workers").json()["data"][0]["state"] == "lost"


def test_a_worker_is_drained_and_brought_back(
    client: TestClient, sessions: Sessions, worker: str
) -> None:
    drained = client.post(f"/v1/workers/{worker}/drain").json()
    assert (drained["draining"], drained["state"]) == (True, "draining")
    job = make_job(sessions)
    with sessions.begin() as session:
        assert ClaimRepository(session).claim(job.id, "host/1", worker_id=worker) is None
    back = client.post(f"/v1/workers/{worker}/undrain").json()
    assert (back["draining"], back["state"]) == (False, "idle")


@pytest.mark.parametrize("worker_id", ["wrk_" + "b" * 32, "wrk_1", "gpu@host"])
def test_a_worker_that_is_not_there_is_a_problem(client: TestClient, worker_id: str) -> None:
    response = client.post(f"/v1/workers/{worker_id}/drain")
    assert (response.status_code, response.json()["code"]) == (404, "worker_not_found")


def test_queues_have_their_waiting_jobs_and_their_workers(
    client: TestClient, sessions: Sessions, worker: str
) -> None:
    make_job(sessions)
    make_job(sessions, queue="big")
    big, gpu = client.get("/v1/queues").json()["data"]
    assert (big["name"], big["depth"], big["workers"], big["memory_bytes"]) == ("big", 1, 0, None)
    assert (gpu["name"], gpu["depth"], gpu["workers"]) == ("gpu", 1, 1)
    assert (gpu["devices"], gpu["memory_bytes"]) == (["cuda: H100"], 80 << 30)
    assert 0 <= gpu["oldest_age_seconds"] < 60


def test_a_job_waits_where_it_says_and_as_urgently(
    client: TestClient, sessions: Sessions, queue: ListQueue
) -> None:
    with sessions.begin() as session:
        WorkerRepository(session).register(make_worker("big@host", queues=["big"]))
    made = client.post("/v1/jobs", json=JOB | {"queue": "big", "priority": 5}).json()
    assert (made["queue"], made["priority"]) == ("big", 5)
    assert queue.queues == ["big"]
    again = client.post(f"/v1/jobs/{made['id']}/rerun", json={"sparsity": 0.6}).json()
    assert (again["queue"], again["priority"]) == ("big", 5)


def test_a_job_describes_its_progress(client: TestClient, sessions: Sessions, worker: str) -> None:
    make_job(sessions)
    second = make_job(sessions)
    place = client.get(client.get(f"/v1/jobs/{second.id}").json()["links"]["queue"]).json()
    assert place == {"name": "gpu", "position": 2, "depth": 2, "workers": 1}
    client.post(f"/v1/jobs/{second.id}/cancel")
    assert client.get(f"/v1/jobs/{second.id}/queue").json()["position"] is None


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_queue_that_nobody_serves_is_refused(client: TestClient, dry_run: bool) -> None:
    response = client.post("/v1/jobs", json=JOB | {"queue": "tpu"}, params={"dry_run": dry_run})
    problem = response.json()
    assert (response.status_code, problem["code"]) == (422, "unknown_queue")
    assert "gpu" in problem["hint"]
    assert problem["errors"][0]["pointer"] == "/queue"
    assert client.get(problem["type"]).status_code == 200


@pytest.mark.parametrize("priority", [11, -11, 0.5, "high"])
def test_a_priority_out_of_bounds_is_refused(client: TestClient, priority: object) -> None:
    response = client.post("/v1/jobs", json=JOB | {"priority": priority})
    assert response.status_code == 422
    assert response.json()["errors"][0]["pointer"] == "/priority"


def test_a_waiting_job_is_made_more_urgent(client: TestClient, sessions: Sessions) -> None:
    first, second = make_job(sessions, name="mine"), make_job(sessions)
    path = f"/v1/jobs/{second.id}"
    assert client.patch(path, json={"priority": 3}).json()["priority"] == 3
    assert client.get(f"{path}/queue").json()["position"] == 1
    assert client.get(f"/v1/jobs/{first.id}/queue").json()["position"] == 2
    assert client.patch(path, json={"name": "x"}).json()["priority"] == 3
    assert client.patch(path, json={"priority": None}).json()["priority"] == 0
    refused = client.patch(path, json={"priority": 11})
    assert refused.json()["errors"][0]["pointer"] == "/priority"
