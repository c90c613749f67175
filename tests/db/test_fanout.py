"""What happens becomes deliveries: of each event one for each webhook that wants it."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import select

from db.cloudevents import MAX_BYTES
from db.dispatch import DispatchRepository, Outcome
from db.errors import IllegalTransitionError, WebhookNotFoundError
from db.fanout import TOLD_AT_ONCE, fan_out
from db.gate import Gate
from db.jobs import JobRepository
from db.models import Job
from db.notices import Delivery, DeliveryStatus, EventType
from db.positions import order_events
from db.session import Sessions
from db.states import JobState
from db.webhooks import WebhookRepository
from tests.factories import make_job, make_problem, make_spec, make_webhook

RACES = 20


def succeed(sessions: Sessions, job: Job, result: dict[str, Any] | None = None) -> None:
    with sessions.begin() as session:
        jobs = JobRepository(session)
        claimed = jobs.claim(job.id, "worker")
        assert claimed is not None
        jobs.succeed(job.id, claimed.attempt, result or {"sparsity": 0.5}, [])


def fail(sessions: Sessions, job: Job, **problem: Any) -> None:
    with sessions.begin() as session:
        jobs = JobRepository(session)
        claimed = jobs.claim(job.id, "worker")
        assert claimed is not None
        jobs.fail(job.id, claimed.attempt, make_problem(**problem))


def tell(sessions: Sessions) -> int:
    order_events(sessions)
    return fan_out(sessions)


def deliveries(sessions: Sessions) -> list[Delivery]:
    with sessions() as session:
        return list(session.scalars(select(Delivery).order_by(Delivery.id)))


def told(sessions: Sessions) -> list[dict[str, Any]]:
    return [json.loads(delivery.body) for delivery in deliveries(sessions)]


def test_a_job_that_succeeds_is_told_of_once(sessions: Sessions) -> None:
    webhook = make_webhook(sessions)
    job = make_job(sessions, name="nightly")
    succeed(sessions, job)

    assert tell(sessions) == 1
    assert tell(sessions) == 0

    (delivery,) = deliveries(sessions)
    assert (delivery.webhook_id, delivery.job_id) == (webhook.id, job.id)
    assert (delivery.type, delivery.status) == ("job.succeeded", DeliveryStatus.pending)
    assert (delivery.attempts, delivery.log) == (0, [])


def test_the_body_is_a_cloudevent_with_the_job_in_it(sessions: Sessions) -> None:
    make_webhook(sessions)
    with sessions.begin() as session:
        job = JobRepository(session).add(
            make_spec(), name="nightly", labels={"team": "nlp"}, gate=Gate(min={"sparsity": 0.4})
        )
    result = {"sparsity": 0.5, "zeros": 7, "dense_loss_known": True, "computed": {"dtype": "fp32"}}
    succeed(sessions, job, result)
    tell(sessions)

    (delivery,), (body,) = deliveries(sessions), told(sessions)
    face = body["data"].pop("job")
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
    assert face.pop("created_at") <= face.pop("finished_at")
    assert face == {
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


def test_every_body_tells_the_job_as_it_was_then(sessions: Sessions) -> None:
    make_webhook(sessions, *EventType)
    succeed(sessions, make_job(sessions))
    tell(sessions)
    jobs = [body["data"]["job"] for body in told(sessions)]
    assert [job["status"] for job in jobs] == ["queued", "running", "succeeded"]
    assert [job["attempt"] for job in jobs] == [0, 1, 1]
    assert [job["finished_at"] is None for job in jobs] == [True, True, False]
    assert [job["metrics"] for job in jobs] == [None, None, {"sparsity": 0.5}]


def test_a_failure_says_what_went_wrong(sessions: Sessions) -> None:
    make_webhook(sessions)
    job = make_job(sessions)
    fail(sessions, job, code="out_of_memory", detail="needs 31 GB", hint="lower samples")
    tell(sessions)
    (body,) = told(sessions)
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
def test_no_body_is_larger_than_promised(sessions: Sessions, letter: str) -> None:
    make_webhook(sessions)
    written = "x" if letter == "\udc80" else letter  # a request cannot bring half a letter
    with sessions.begin() as session:
        jobs = JobRepository(session)
        labels = {f"{number:063}": written * 200 for number in range(32)}
        model = written * 512
        for _ in range(2):
            jobs.add(make_spec(model=model), name=written * 200, labels=labels)
        lost, won = jobs.page()
    fail(sessions, lost, **dict.fromkeys(("title", "detail", "hint"), letter * 5000))
    succeed(sessions, won, {f"{written * 60}{number}": number / 7 for number in range(200)})
    tell(sessions)

    sizes = [len(delivery.body.encode()) for delivery in deliveries(sessions)]
    assert len(sizes) == 2
    assert max(sizes) <= MAX_BYTES
    assert {body["data"]["job"]["name"] for body in told(sessions)} == {written * 200}
    assert "metrics" in told(sessions)[1]["data"]["omitted"]


def test_a_webhook_hears_only_what_it_asked_for_and_only_what_comes(sessions: Sessions) -> None:
    job = make_job(sessions)
    make_webhook(sessions, EventType.queued, EventType.failed)
    paused = make_webhook(sessions, EventType.paused)
    with sessions.begin() as session:
        JobRepository(session).pause(job.id)
        JobRepository(session).resume(job.id)
        JobRepository(session).cancel(job.id)
    tell(sessions)
    kinds = [(one.type, one.webhook_id == paused.id) for one in deliveries(sessions)]
    assert sorted(kinds) == [("job.paused", True), ("job.queued", False)]


def test_a_job_that_is_deleted_at_once_is_told_of_all_the_same(sessions: Sessions) -> None:
    webhook = make_webhook(sessions)
    make_webhook(sessions, disabled_at=webhook.created_at)
    job, other = make_job(sessions), make_job(sessions)
    for one in (job, other):
        succeed(sessions, one)
    with sessions.begin() as session:
        JobRepository(session).delete(job.id)
    tell(sessions)
    assert [(one.job_id, one.type) for one in deliveries(sessions)] == [
        (job.id, "job.succeeded"),
        (other.id, "job.succeeded"),
    ]


def test_a_delete_that_is_refused_tells_nothing_early(sessions: Sessions) -> None:
    make_webhook(sessions, EventType.queued)
    job = make_job(sessions)
    with pytest.raises(IllegalTransitionError), sessions.begin() as session:
        JobRepository(session).delete(job.id)
    assert deliveries(sessions) == []
    assert tell(sessions) == 1


def test_a_name_or_a_progress_is_no_news(sessions: Sessions) -> None:
    job = make_job(sessions)
    make_webhook(sessions, *EventType)
    with sessions.begin() as session:
        jobs = JobRepository(session)
        jobs.describe(job.id, name="other", labels={})
        jobs.claim(job.id, "worker")
        jobs.progress(job.id, 1, block=(0, 2, "layers.0"))
    tell(sessions)
    assert [one.type for one in deliveries(sessions)] == ["job.running"]


def test_what_happens_while_a_webhook_is_disabled_is_never_told(sessions: Sessions) -> None:
    webhook = make_webhook(sessions, EventType.queued)
    before = make_job(sessions)
    tell(sessions)
    with sessions.begin() as session:
        WebhookRepository(session).disable(webhook.id)
    make_job(sessions)
    tell(sessions)
    with sessions.begin() as session:
        WebhookRepository(session).enable(webhook.id)
    after = make_job(sessions)
    tell(sessions)
    assert [one.job_id for one in deliveries(sessions)] == [before.id, after.id]


def test_enabling_what_is_enabled_skips_nothing(sessions: Sessions) -> None:
    webhook = make_webhook(sessions, EventType.queued)
    make_job(sessions)
    with sessions.begin() as session:
        WebhookRepository(session).enable(webhook.id)
    assert tell(sessions) == 1


def test_more_events_than_are_told_at_once_are_all_told(sessions: Sessions) -> None:
    make_webhook(sessions, EventType.queued)
    with sessions.begin() as session:
        jobs = JobRepository(session)
        ids = [jobs.add(make_spec()).id for _ in range(TOLD_AT_ONCE + 3)]
    assert [tell(sessions), tell(sessions), tell(sessions)] == [TOLD_AT_ONCE, 3, 0]
    assert sorted(one.job_id or "" for one in deliveries(sessions)) == sorted(ids)


def test_two_janitors_tell_each_webhook_once(sessions: Sessions) -> None:
    webhooks = [make_webhook(sessions, *EventType) for _ in range(3)]
    start = Barrier(2)

    def janitor(_: int) -> int:
        start.wait()
        return tell(sessions)

    for _ in range(RACES):
        succeed(sessions, make_job(sessions))
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(janitor, range(2)))
    tell(sessions)

    found = [(one.webhook_id, one.position) for one in deliveries(sessions)]
    assert len(found) == len(set(found)) == len(webhooks) * RACES * 3
    ended = [one for one in deliveries(sessions) if one.type == "job.succeeded"]
    assert len({(one.webhook_id, one.job_id) for one in ended}) == len(ended) == 3 * RACES


def test_those_who_write_at_once_do_not_stand_in_each_others_way(sessions: Sessions) -> None:
    """On PostgreSQL two that lock the same rows in another order end in an error."""
    jobs = [make_job(sessions) for _ in range(RACES)]
    for job in jobs:
        succeed(sessions, job)
    make_webhook(sessions, *EventType)

    def retell(job: Job) -> None:
        make_job(sessions)
        tell(sessions)

    def forget(job: Job) -> None:
        with sessions.begin() as session:
            JobRepository(session).delete(job.id)

    def switch(job: Job) -> None:
        webhook = make_webhook(sessions, *EventType)
        for verb in ("disable", "enable", "delete"):
            with sessions.begin() as session:
                getattr(WebhookRepository(session), verb)(webhook.id)

    def refuse(job: Job) -> None:
        with sessions.begin() as session:
            claimed = DispatchRepository(session).claim(3)
        for one in claimed:
            with sessions.begin() as session:
                DispatchRepository(session).settle(one, Outcome(0.1, 410))
            with suppress(WebhookNotFoundError), sessions.begin() as session:
                WebhookRepository(session).enable(one.webhook_id)

    def repeat(verb: Callable[[Job], None]) -> None:
        for job in jobs:
            verb(job)

    verbs = (retell, retell, forget, switch, refuse)
    with ThreadPoolExecutor(len(verbs)) as pool:
        list(pool.map(repeat, verbs))


def test_every_status_is_told_but_what_was_only_asked_for() -> None:
    told = {one.status for one in EventType}
    assert set(JobState) - told == {JobState.pausing, JobState.cancelling}
