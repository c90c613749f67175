"""Responses that wait for a change, and snapshots that clients share."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import event

from db.core.session import Sessions
from db.core.states import JobState, Phase
from db.jobs.commands import JobCommands
from db.jobs.repository import JobRepository
from db.scheduling.claims import ClaimRepository
from db.scheduling.leases import LeaseRepository
from db.scheduling.recovery import RecoveryRepository
from db.scheduling.workers import WorkerRepository
from tests.api.calls import jobs
from tests.api.live import serving
from tests.api.routes.jobs.submissions import SMALLEST
from tests.factories import make_job, make_worker
from tests.waiting import eventually

LONG = {"prefer": "wait=30"}


def soon(act: Callable[[], object]) -> threading.Timer:
    timer = threading.Timer(0.5, act)
    timer.start()
    return timer


def test_a_conditional_request_returns_as_soon_as_the_job_changes(
    app: FastAPI, sessions: Sessions
) -> None:
    job_id = make_job(sessions).id

    def claim() -> None:
        with sessions.begin() as session:
            ClaimRepository(session).claim(job_id, "gpu@host")

    with serving(app) as url, httpx.Client(base_url=url, timeout=60) as client:
        path = f"/v1/jobs/{job_id}"
        known = {"if-none-match": client.get(path).headers["etag"]}
        timer = soon(claim)
        changed = client.get(path, headers=known | LONG)
        timer.join()
        assert (changed.status_code, changed.json()["status"]) == (200, "running")
        same = {"if-none-match": changed.headers["etag"], "prefer": "wait=1"}
        assert client.get(path, headers=same).status_code == 304


def test_a_submission_may_wait_for_the_end(app: FastAPI, sessions: Sessions) -> None:
    def cancel() -> None:
        eventually(lambda: jobs(sessions) == 1)
        with sessions.begin() as session:
            [job] = JobRepository(session).page()
            JobCommands(session).cancel(job.id)

    with serving(app) as url, httpx.Client(base_url=url, timeout=60) as client:
        timer = soon(cancel)
        ended = client.post("/v1/jobs", json=SMALLEST, headers=LONG)
        timer.join()
        assert (ended.status_code, ended.json()["status"]) == (201, "cancelled")
        assert ended.headers["location"] == f"/v1/jobs/{ended.json()['id']}"
        waited = client.post("/v1/jobs", json=SMALLEST, headers={"prefer": "wait=1"})
        assert (waited.status_code, waited.json()["status"]) == (201, "queued")


@pytest.mark.parametrize("prefer", ["", "wait=soon", "respond-async", "await=60", "wait=-1"])
def test_a_preference_that_cannot_be_read_is_ignored(
    prefer: str, client: TestClient, sessions: Sessions
) -> None:
    path = f"/v1/jobs/{make_job(sessions).id}"
    headers = {"if-none-match": client.get(path).headers["etag"], "prefer": prefer}
    response = client.get(path, headers=headers)
    assert response.status_code == 304
    assert "preference-applied" not in response.headers


def test_unchanged_jobs_are_not_read_again(app: FastAPI, sessions: Sessions) -> None:
    job_id = make_job(sessions).id
    reads = []

    def count(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("SELECT") and "FROM jobs" in statement:
            reads.append(statement)

    engine = app.state.service.sessions.kw["bind"]
    with serving(app) as url, httpx.Client(base_url=url, timeout=60) as client:
        path = f"/v1/jobs/{job_id}"
        known = {"if-none-match": client.get(path).headers["etag"]}
        event.listen(engine, "before_cursor_execute", count)
        with ThreadPoolExecutor(8) as pool:
            responses = list(pool.map(lambda _: client.get(path, headers=known), range(40)))
        assert {response.status_code for response in responses} == {304}
        assert reads == []
        make_job(sessions)
        assert client.get(path, headers=known).status_code == 304
        assert len(reads) > 0


def test_the_next_poll_returns_a_change_of_this_process(client: TestClient) -> None:
    job = client.post("/v1/jobs", json=SMALLEST)
    path = job.headers["location"]
    known = {"if-none-match": client.get(path).headers["etag"]}
    assert client.get(path, headers=known).status_code == 304
    client.post(f"{path}/pause")
    assert client.get(path, headers=known).json()["status"] == "paused"


def test_a_job_lists_its_attempts_and_their_phases(client: TestClient, sessions: Sessions) -> None:
    job_id = make_job(sessions).id
    with sessions.begin() as session:
        WorkerRepository(session).register(make_worker("gpu@host", device="cpu"))
        ClaimRepository(session).claim(job_id, "host/1", worker_id="wrk_gpu@host")
        LeaseRepository(session).report_progress(job_id, 1, phase=Phase.loading)
        LeaseRepository(session).report_progress(job_id, 1, phase=Phase.pruning)
        RecoveryRepository(session).release_lost(job_id, "host/1")
        ClaimRepository(session).claim(job_id, "host/2")
        LeaseRepository(session).report_progress(job_id, 2, phase=Phase.resolving)

    job = client.get(f"/v1/jobs/{job_id}").json()

    first, second = job["attempts"]
    assert (first["number"], first["worker"], first["device"]) == (1, "host/1", "cpu")
    assert (first["outcome"], first["reason"]) == ("queued", "worker_lost")
    assert first["started_at"] <= first["ended_at"] <= second["started_at"]
    assert (second["number"], second["ended_at"], second["outcome"]) == (2, None, None)
    spans = [(one["attempt"], one["name"], one["ended_at"] is None) for one in job["phases"]]
    assert spans == [(1, "loading", False), (1, "pruning", False), (2, "resolving", True)]


def test_a_failed_attempt_has_its_error(client: TestClient, sessions: Sessions) -> None:
    job_id = make_job(sessions, status=JobState.queued).id
    with sessions.begin() as session:
        ClaimRepository(session).claim(job_id, "host/1")
        JobCommands(session).cancel(job_id)
        LeaseRepository(session).finish_cancelled(job_id, 1)
    [attempt] = client.get(f"/v1/jobs/{job_id}").json()["attempts"]
    assert (attempt["outcome"], attempt["error"]) == ("cancelled", None)
    assert attempt["ended_at"] is not None


def test_the_next_poll_returns_a_change_of_another_process(
    client: TestClient, sessions: Sessions
) -> None:
    job_id = make_job(sessions).id
    path = f"/v1/jobs/{job_id}"
    known = {"if-none-match": client.get(path).headers["etag"]}
    assert client.get(path, headers=known).status_code == 304
    with sessions.begin() as session:
        ClaimRepository(session).claim(job_id, "gpu@host")
    changed = client.get(path, headers=known)
    assert (changed.status_code, changed.json()["status"]) == (200, "running")
