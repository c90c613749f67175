"""What the bodies say, and how long they may be."""

import json
from typing import Any

import pytest

from db.core.session import Sessions
from db.jobs.repository import JobRepository, NewJob
from db.scheduling.claims import ClaimRepository
from db.scheduling.leases import LeaseRepository
from db.spec.quality_gate import Gate
from db.tables.jobs import Job
from db.webhooks.cloudevents import MAX_BYTES
from db.webhooks.event_types import EventType
from tests.db.webhooks.messages import deliveries, make_deliveries, succeed
from tests.factories import make_job, make_problem, make_spec, make_webhook


def fail(sessions: Sessions, job: Job, **problem: Any) -> None:
    with sessions.begin() as session:
        claimed = ClaimRepository(session).claim(job.id, "worker")
        assert claimed is not None
        LeaseRepository(session).fail(job.id, claimed.attempt, make_problem(**problem))


def bodies(sessions: Sessions) -> list[dict[str, Any]]:
    return [json.loads(delivery.body) for delivery in deliveries(sessions)]


def test_the_body_is_a_cloudevent_with_the_job_in_it(sessions: Sessions) -> None:
    make_webhook(sessions)
    with sessions.begin() as session:
        job = JobRepository(session).add(
            NewJob(
                make_spec(),
                name="nightly",
                labels={"team": "nlp"},
                gate=Gate(min={"sparsity": 0.4}),
            )
        )
    result = {"sparsity": 0.5, "zeros": 7, "dense_loss_known": True, "computed": {"dtype": "fp32"}}
    succeed(sessions, job, result)
    make_deliveries(sessions)

    (delivery,), (body,) = deliveries(sessions), bodies(sessions)
    job_body = body["data"].pop("job")
    assert body.pop("time").endswith("Z")
    assert body == {
        "specversion": "1.0",
        "id": delivery.id,
        "source": f"/v1/jobs/{job.id}",
        "subject": job.id,
        "type": "job.succeeded",
        "datacontenttype": "application/json",
        "data": {},
    }
    assert job_body.pop("created_at") <= job_body.pop("finished_at")
    assert job_body == {
        "id": job.id,
        "name": "nightly",
        "status": "succeeded",
        "labels": {"team": "nlp"},
        "model": "org/model",
        "verdict": "pass",
        "attempt": 1,
        "metrics": {"sparsity": 0.5, "zeros": 7},
        "error": None,
    }


def test_every_body_has_the_job_as_of_its_event(sessions: Sessions) -> None:
    make_webhook(sessions, *EventType)
    succeed(sessions, make_job(sessions))
    make_deliveries(sessions)
    jobs = [body["data"]["job"] for body in bodies(sessions)]
    assert [job["status"] for job in jobs] == ["queued", "running", "succeeded"]
    assert [job["attempt"] for job in jobs] == [0, 1, 1]
    assert [job["finished_at"] is None for job in jobs] == [True, True, False]
    assert [job["metrics"] for job in jobs] == [None, None, {"sparsity": 0.5}]


def test_the_body_of_a_failure_has_the_problem(sessions: Sessions) -> None:
    make_webhook(sessions)
    job = make_job(sessions)
    fail(sessions, job, code="out_of_memory", detail="needs 31 GB", hint="lower samples")
    make_deliveries(sessions)
    (body,) = bodies(sessions)
    assert body["type"] == "job.failed"
    assert body["data"]["job"]["error"] == {
        "type": "/problems/made_up",
        "title": "Made up",
        "status": 500,
        "code": "out_of_memory",
        "detail": "needs 31 GB",
        "hint": "lower samples",
        "retryable": False,
    }


@pytest.mark.parametrize("letter", ["é", "\U0001f600", "\udc80"])
def test_no_body_exceeds_the_limit(sessions: Sessions, letter: str) -> None:
    make_webhook(sessions)
    written = "x" if letter == "\udc80" else letter  # a request cannot bring half a letter
    with sessions.begin() as session:
        jobs = JobRepository(session)
        labels = {f"{number:063}": written * 200 for number in range(32)}
        model = written * 512
        for _ in range(2):
            jobs.add(NewJob(make_spec(model=model), name=written * 200, labels=labels))
        lost, won = jobs.page()
    fail(sessions, lost, **dict.fromkeys(("title", "detail", "hint"), letter * 5000))
    succeed(sessions, won, {f"{written * 60}{number}": number / 7 for number in range(200)})
    make_deliveries(sessions)

    sizes = [len(delivery.body.encode()) for delivery in deliveries(sessions)]
    assert len(sizes) == 2
    assert max(sizes) <= MAX_BYTES
    assert {body["data"]["job"]["name"] for body in bodies(sessions)} == {written * 200}
    (of_success,) = (body for body in bodies(sessions) if body["type"] == "job.succeeded")
    assert "metrics" in of_success["data"]["omitted"]
