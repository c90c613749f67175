from concurrent.futures import ThreadPoolExecutor
from typing import cast

import httpx2 as httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import select

from db.core.session import Sessions
from db.core.states import JobState, Phase
from db.jobs.commands import JobCommands
from db.scheduling import queues
from db.scheduling.claims import ClaimRepository
from db.scheduling.leases import Eta, LeaseRepository
from db.scheduling.recovery import RecoveryRepository
from db.scheduling.workers import WorkerRepository
from db.tables.jobs import Job
from tests.api.live import serving
from tests.api.routes.jobs.submissions import SMALLEST, UNKNOWN, submit
from tests.factories import make_job, make_problem, make_spec, make_worker
from tests.fakes import ListQueue


def test_the_smallest_job_is_accepted_committed_and_pushed(
    client: TestClient, queue: ListQueue
) -> None:
    response = client.post("/v1/jobs", json=SMALLEST)

    assert response.status_code == 201
    job = response.json()
    assert response.headers["location"] == f"/v1/jobs/{job['id']}"
    assert queue.ids == [job["id"]]
    read = client.get(response.headers["location"]).json()
    assert read["status"] == "queued"
    assert SMALLEST.items() <= read["spec"].items()
    assert read["spec"]["method"] == "zpruner"


def test_a_job_without_preset_and_method_is_told_the_better_preset_and_left_as_it_is(
    client: TestClient,
) -> None:
    preview = client.post("/v1/jobs?dry_run=true", json=SMALLEST).json()
    made = client.post("/v1/jobs", json=SMALLEST)
    read = client.get(made.headers["location"]).json()

    assert "preset balanced 40.8" in made.json()["advice"][0]
    assert preview["advice"] == made.json()["advice"] == read["advice"]
    assert (made.json()["spec"]["preset"], made.json()["spec"]["method"]) == (None, "zpruner")
    nothing = {"preset": "balanced", "quantize": "w4a16"}
    assert client.post("/v1/jobs", json=SMALLEST | nothing).json()["advice"] == []


def test_a_pushed_job_leaves_the_outbox_and_one_that_was_not_stays(
    client: TestClient, queue: ListQueue, sessions: Sessions
) -> None:
    pushed = submit(client)
    queue.is_up = False
    kept = submit(client)

    with sessions() as session:
        assert RecoveryRepository(session).unpushed(10) == [kept]
        assert session.get_one(Job, pushed).pushed_at is not None


def test_a_name_and_labels_are_kept_beside_the_spec(client: TestClient) -> None:
    job_id = submit(client, name="first", labels={"team": "search", "n": "1"})

    job = client.get(f"/v1/jobs/{job_id}").json()

    assert (job["name"], job["labels"]) == ("first", {"team": "search", "n": "1"})
    assert "name" not in job["spec"]


def test_a_job_whose_model_could_not_be_looked_up_says_so_until_it_starts(
    client: TestClient, sessions: Sessions
) -> None:
    job_id = submit(client)
    (warning,) = client.get(f"/v1/jobs/{job_id}").json()["warnings"]
    assert "org/model was not checked" in warning
    with sessions.begin() as session:
        ClaimRepository(session).claim(job_id, "gpu@test")
    assert client.get(f"/v1/jobs/{job_id}").json()["warnings"] == []


def test_a_running_job_shows_its_phase_block_and_estimate(
    client: TestClient, sessions: Sessions
) -> None:
    job_id = make_job(sessions).id
    with sessions.begin() as session:
        WorkerRepository(session).register(make_worker("gpu@host", device="cuda: H100"))
        ClaimRepository(session).claim(job_id, "host/1", worker_id="wrk_gpu@host")
        LeaseRepository(session).report_progress(
            job_id, 1, phase=Phase.pruning, fraction=0.25, block=(7, 32, "layers.7"), eta=(60, 84)
        )

    job = client.get(f"/v1/jobs/{job_id}").json()

    assert (job["status"], job["phase"], job["attempt"]) == ("running", "pruning", 1)
    assert (job["worker"], job["device"]) == ("host/1", "cuda: H100")
    assert job["progress"]["block"] == {"index": 7, "total": 32, "name": "layers.7"}
    assert job["progress"]["fraction"] == 0.25
    assert job["progress"]["eta_seconds"] == {"p50": 60.0, "p90": 84.0, "untimed": []}


def test_an_estimate_says_what_it_does_not_know_until_that_is_measured(
    client: TestClient, sessions: Sessions
) -> None:
    job_id = make_job(sessions, make_spec(tasks=["boolq"], generate=True)).id

    def eta(phase: Phase, seconds: Eta) -> object:
        with sessions.begin() as session:
            LeaseRepository(session).report_progress(job_id, 1, phase=phase, eta=seconds)
        return client.get(f"/v1/jobs/{job_id}").json()["progress"]["eta_seconds"]

    with sessions.begin() as session:
        ClaimRepository(session).claim(job_id, "worker-1")
    ahead = ["zero-shot tasks", "generated text"]
    assert eta(Phase.pruning, (4.3, 7.3)) == {"p50": 4.3, "p90": 7.3, "untimed": ahead}
    assert eta(Phase.evaluating, (None, None)) is None
    assert eta(Phase.evaluating, (280, 300)) == {"p50": 280, "p90": 300, "untimed": []}


def test_an_estimate_ends_with_its_attempt(client: TestClient, sessions: Sessions) -> None:
    job_id = make_job(sessions).id

    def eta() -> object:
        return client.get(f"/v1/jobs/{job_id}").json()["progress"]["eta_seconds"]

    with sessions.begin() as session:
        ClaimRepository(session).claim(job_id, "worker-1")
        LeaseRepository(session).report_progress(
            job_id, 1, block=(0, 4, "layers.0"), eta=(90.0, 120.0)
        )
    assert eta() == {"p50": 90.0, "p90": 120.0, "untimed": []}
    with sessions.begin() as session:
        LeaseRepository(session).release(job_id, 1)
    assert eta() is None
    with sessions.begin() as session:
        ClaimRepository(session).claim(job_id, "worker-2")
    assert eta() is None


def test_a_paused_job_shows_the_blocks_it_goes_on_from(
    client: TestClient, sessions: Sessions
) -> None:
    job_id = make_job(sessions).id
    path, block = f"/v1/jobs/{job_id}", {"index": 7, "total": 32, "name": "layers.7"}
    with sessions.begin() as session:
        ClaimRepository(session).claim(job_id, "worker-1")
        LeaseRepository(session).report_progress(
            job_id, 1, phase=Phase.pruning, fraction=0.25, block=(7, 32, "layers.7")
        )
        JobCommands(session).pause(job_id)
        LeaseRepository(session).release(job_id, 1)

    paused = client.get(path).json()

    assert (paused["status"], paused["phase"], paused["worker"]) == ("paused", None, None)
    assert paused["progress"] == {"fraction": 0.25, "block": block, "eta_seconds": None}
    assert client.post(f"{path}/resume").json()["progress"]["block"] == block
    with sessions.begin() as session:
        ClaimRepository(session).claim(job_id, "worker-2")
    assert client.get(path).json()["progress"]["block"] is None


def test_a_queued_job_has_its_position_and_its_etag_follows_it(
    client: TestClient, sessions: Sessions
) -> None:
    first, second = make_job(sessions), make_job(sessions)
    path = f"/v1/jobs/{second.id}"
    before = client.get(path)
    assert before.json()["queue_position"] == 2
    known = {"if-none-match": before.headers["etag"], "cache-control": "no-cache"}
    assert client.get(path, headers=known).status_code == 304

    client.post(f"/v1/jobs/{first.id}/cancel")
    after = client.get(path, headers=known)
    waited = client.get(path, headers=known | {"prefer": "wait=1"})

    assert (after.status_code, after.json()["queue_position"]) == (200, 1)
    assert (waited.status_code, waited.headers["etag"]) == (200, after.headers["etag"])
    # No one else has changed the job itself: what was read before may still be acted on.
    urgent = client.patch(path, json={"priority": 1}, headers={"if-match": before.headers["etag"]})
    assert (urgent.status_code, urgent.json()["queue_position"]) == (200, 1)
    stale = client.post(f"{path}/cancel", headers={"if-match": after.headers["etag"]})
    assert stale.status_code == 412
    assert client.post(f"{path}/cancel").json()["queue_position"] is None


def test_a_long_poll_ends_with_the_position_of_then(app: FastAPI, sessions: Sessions) -> None:
    first, second = make_job(sessions), make_job(sessions)
    path = f"/v1/jobs/{second.id}"
    with (
        serving(app) as url,
        httpx.Client(base_url=url, timeout=60) as client,
        ThreadPoolExecutor(1) as pool,
    ):
        headers = {"if-none-match": client.get(path).headers["etag"], "prefer": "wait=5"}
        asked = pool.submit(client.get, path, headers=headers)
        client.post(f"/v1/jobs/{first.id}/cancel")
        answer = asked.result()
    assert (answer.status_code, answer.json()["queue_position"]) == (200, 1)


def test_a_position_is_not_counted_beyond_the_first_jobs(
    client: TestClient, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queues, "MAX_POSITION", 2)
    jobs = [make_job(sessions) for _ in range(3)]
    shown = [client.get(f"/v1/jobs/{job.id}").json()["queue_position"] for job in jobs]
    assert shown == [1, 2, None]
    assert client.get(f"/v1/jobs/{jobs[2].id}/queue").json()["position"] == 3


def test_a_postponed_job_says_when_and_why_it_is_attempted_again(
    client: TestClient, sessions: Sessions
) -> None:
    job_id, problem = make_job(sessions).id, make_problem(code="hub_unreachable")
    with sessions.begin() as session:
        ClaimRepository(session).claim(job_id, "worker-1")
        job = LeaseRepository(session).postpone(job_id, 1, problem)
    read = client.get(f"/v1/jobs/{job_id}").json()
    assert (read["status"], read["queue_position"], read["error"]) == ("queued", None, None)
    assert read["postponed"] == {
        "until": read["not_before"],
        "attempt": 2,
        "attempts": 6,
        "error": problem.model_dump(mode="json"),
    }
    assert client.get("/v1/jobs").json()["data"][0]["postponed"] == read["postponed"]
    [queue] = client.get("/v1/queues").json()["data"]
    assert (queue["depth"], queue["postponed"], queue["oldest_age_seconds"]) == (0, 1, None)
    with sessions.begin() as session:
        assert JobCommands(session).cancel(job.id).error is None
    ended = client.get(f"/v1/jobs/{job_id}").json()
    assert (ended["postponed"], ended["error"]) == (None, None)


def test_a_failed_job_carries_the_problem_document(client: TestClient, sessions: Sessions) -> None:
    job_id = make_job(sessions).id
    with sessions.begin() as session:
        ClaimRepository(session).claim(job_id, "gpu@host")
        LeaseRepository(session).fail(job_id, 1, make_problem(hint="try again"))

    job = client.get(f"/v1/jobs/{job_id}").json()

    assert job["status"] == "failed"
    assert (job["error"]["code"], job["error"]["hint"]) == ("made_up", "try again")
    assert job["finished_at"].endswith("Z")


def test_every_link_of_a_job_leads_somewhere(client: TestClient, sessions: Sessions) -> None:
    links = client.get(f"/v1/jobs/{make_job(sessions).id}").json()["links"]
    for name in ("self", "events", "blocks", "artifacts"):
        assert client.get(links[name]).status_code == 200
    assert client.get(links["result"]).status_code == 202
    assert client.get(links["archive"]).json()["code"] == "no_artifacts"
    for name in ("metrics", "manifest"):
        assert client.get(links[name]).json()["code"] == "unfinished"
    assert client.post(links["pause"]).status_code == 200
    assert client.post(links["resume"]).status_code == 200
    assert client.post(links["cancel"]).status_code == 200
    assert client.post(links["retry"]).status_code == 200
    assert client.post(links["rerun"]).status_code == 201


def test_an_unchanged_job_is_304_and_a_changed_one_is_not(
    client: TestClient, sessions: Sessions
) -> None:
    path = f"/v1/jobs/{make_job(sessions).id}"
    etag = client.get(path).headers["etag"]
    assert etag.startswith('"')

    same = client.get(path, headers={"if-none-match": f'"other", W/{etag}'})
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", etag)
    assert client.get(path, headers={"if-none-match": "*"}).status_code == 304

    client.post(f"{path}/cancel")
    changed = client.get(path, headers={"if-none-match": etag})
    assert changed.status_code == 200
    assert changed.headers["etag"] != etag


def test_a_worker_that_only_says_it_lives_does_not_change_the_etag(
    client: TestClient, sessions: Sessions
) -> None:
    job_id = make_job(sessions).id
    path = f"/v1/jobs/{job_id}"
    with sessions.begin() as session:
        ClaimRepository(session).claim(job_id, "gpu@host")
    etag = client.get(path).headers["etag"]
    with sessions.begin() as session:
        LeaseRepository(session).heartbeat(job_id, 1)

    assert client.get(path, headers={"if-none-match": etag}).status_code == 304


def test_a_job_read_with_another_etag_in_if_match_is_412(
    client: TestClient, sessions: Sessions
) -> None:
    path = f"/v1/jobs/{make_job(sessions).id}"
    etag = client.get(path).headers["etag"]
    assert client.get(path, headers={"if-match": etag}).status_code == 200
    assert client.get(path, headers={"if-match": '"x"'}).json()["code"] == "precondition_failed"


def test_cancel_is_idempotent_and_final(client: TestClient, sessions: Sessions) -> None:
    path = f"/v1/jobs/{make_job(sessions).id}"
    first, second = client.post(f"{path}/cancel"), client.post(f"{path}/cancel")
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json() == second.json()
    assert first.json()["status"] == "cancelled"


def test_a_running_job_is_asked_to_stop(client: TestClient, sessions: Sessions) -> None:
    job_id = make_job(sessions).id
    with sessions.begin() as session:
        ClaimRepository(session).claim(job_id, "gpu@host")
    assert client.post(f"/v1/jobs/{job_id}/cancel").json()["status"] == "cancelling"


def test_an_ended_job_is_not_cancelled_and_the_answer_says_what_would_be(
    client: TestClient, sessions: Sessions
) -> None:
    job_id = make_job(sessions, status=JobState.succeeded).id
    response = client.post(f"/v1/jobs/{job_id}/cancel")
    assert response.status_code == 409
    assert response.headers["x-should-retry"] == "false"
    assert response.json()["code"] == "invalid_state"
    assert response.json()["hint"] == "A job that is succeeded allows: rerun, delete."


def test_a_cancel_of_a_job_that_has_changed_since_is_412_and_does_nothing(
    client: TestClient, sessions: Sessions
) -> None:
    job_id = make_job(sessions).id
    etag = client.get(f"/v1/jobs/{job_id}").headers["etag"]
    with sessions.begin() as session:
        ClaimRepository(session).claim(job_id, "gpu@host")

    stale = client.post(f"/v1/jobs/{job_id}/cancel", headers={"if-match": etag})
    foreign = client.post(f"/v1/jobs/{job_id}/cancel", headers={"if-match": '"other-1"'})

    assert (stale.status_code, stale.json()["code"]) == (412, "stale_version")
    assert (foreign.status_code, foreign.json()["code"]) == (412, "precondition_failed")
    read = client.get(f"/v1/jobs/{job_id}")
    assert read.json()["status"] == "running"
    fresh = client.post(f"/v1/jobs/{job_id}/cancel", headers={"if-match": read.headers["etag"]})
    assert fresh.json()["status"] == "cancelling"


def test_a_job_that_is_not_there_is_404_on_every_path(client: TestClient) -> None:
    for job_id in (UNKNOWN, "job_1", "%00", "..%2f", "x" * 500):
        for path in ("", "/events", "/blocks", "/artifacts", "/archive"):
            response = client.get(f"/v1/jobs/{job_id}{path}")
            assert response.status_code == 404, (job_id, path)
    response = client.post(f"/v1/jobs/{UNKNOWN}/cancel")
    assert (response.status_code, response.json()["code"]) == (404, "job_not_found")


def test_every_thread_that_runs_a_route_finds_a_connection(client: TestClient) -> None:
    threads = 40  # anyio's limit
    app = cast(FastAPI, client.app)
    pool = app.state.service.sessions.kw["bind"].pool
    assert pool.size() + pool._max_overflow >= threads


def test_the_row_is_written_as_the_caller_asked(client: TestClient, sessions: Sessions) -> None:
    submit(client, sparsity=0.25, scope="row", seed=7)
    with sessions() as session:
        spec = session.scalars(select(Job)).one().spec
    assert (spec.sparsity, spec.scope, spec.seed) == (0.25, "row", 7)


@pytest.mark.parametrize(
    ("prefer", "applied"),
    [("wait=0", None), ("wait=1", "wait=1"), ("wait=99999", "wait=60"), ("return=minimal", None)],
)
def test_a_wait_that_was_asked_for_is_confirmed(
    client: TestClient, sessions: Sessions, prefer: str, applied: str | None
) -> None:
    job_id = make_job(sessions).id
    answer = client.get(f"/v1/jobs/{job_id}", headers={"prefer": prefer})
    assert answer.headers.get("preference-applied") == applied
