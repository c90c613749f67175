"""What happens becomes deliveries: of each event one for each webhook that wants it."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Barrier

import pytest

from db.core.errors import IllegalTransitionError, WebhookNotFoundError
from db.core.session import Sessions
from db.core.states import JobState
from db.jobs.commands import JobCommands
from db.jobs.repository import JobRepository, NewJob
from db.outputs.sending import SendingRepository
from db.scheduling.claims import ClaimRepository
from db.scheduling.leases import LeaseRepository
from db.tables.jobs import Job
from db.tables.webhooks import DeliveryStatus
from db.webhooks.dispatch import DispatchRepository, SendResult
from db.webhooks.event_types import EventType
from db.webhooks.fanout import BATCH_SIZE
from db.webhooks.repository import WebhookRepository
from tests.db.webhooks.messages import deliveries, make_deliveries, succeed
from tests.factories import make_job, make_spec, make_webhook

RACES = 20


def test_a_job_that_succeeds_is_delivered_once(sessions: Sessions) -> None:
    webhook = make_webhook(sessions)
    job = make_job(sessions, name="nightly")
    succeed(sessions, job)

    assert make_deliveries(sessions) == 1
    assert make_deliveries(sessions) == 0

    (delivery,) = deliveries(sessions)
    assert (delivery.webhook_id, delivery.job_id) == (webhook.id, job.id)
    assert (delivery.type, delivery.status) == ("job.succeeded", DeliveryStatus.pending)
    assert (delivery.attempts, delivery.log) == (0, [])


def test_a_webhook_receives_only_later_events_that_it_subscribed_to(sessions: Sessions) -> None:
    job = make_job(sessions)
    make_webhook(sessions, EventType.queued, EventType.failed)
    paused = make_webhook(sessions, EventType.paused)
    with sessions.begin() as session:
        JobCommands(session).pause(job.id)
        JobCommands(session).resume(job.id)
        JobCommands(session).cancel(job.id)
    make_deliveries(sessions)
    kinds = [(one.type, one.webhook_id == paused.id) for one in deliveries(sessions)]
    assert sorted(kinds) == [("job.paused", True), ("job.queued", False)]


def test_the_end_of_a_job_that_is_deleted_at_once_is_delivered(sessions: Sessions) -> None:
    webhook = make_webhook(sessions)
    make_webhook(sessions, disabled_at=webhook.created_at)
    job, other = make_job(sessions), make_job(sessions)
    for one in (job, other):
        succeed(sessions, one)
    with sessions.begin() as session:
        JobCommands(session).delete(job.id)
    make_deliveries(sessions)
    assert {(one.job_id, one.type) for one in deliveries(sessions)} == {
        (job.id, "job.succeeded"),
        (other.id, "job.succeeded"),
    }
    assert len(deliveries(sessions)) == 2


def test_a_refused_deletion_creates_no_deliveries(sessions: Sessions) -> None:
    make_webhook(sessions, EventType.queued)
    job = make_job(sessions)
    with pytest.raises(IllegalTransitionError), sessions.begin() as session:
        JobCommands(session).delete(job.id)
    assert deliveries(sessions) == []
    assert make_deliveries(sessions) == 1


def test_a_new_name_or_progress_is_not_delivered(sessions: Sessions) -> None:
    job = make_job(sessions)
    make_webhook(sessions, *EventType)
    with sessions.begin() as session:
        JobCommands(session).describe(job.id, name="other", labels={})
        ClaimRepository(session).claim(job.id, "worker")
        LeaseRepository(session).report_progress(job.id, 1, block=(0, 2, "layers.0"))
    make_deliveries(sessions)
    assert [one.type for one in deliveries(sessions)] == ["job.running"]


def test_events_while_a_webhook_is_disabled_are_never_delivered(sessions: Sessions) -> None:
    webhook = make_webhook(sessions, EventType.queued)
    before = make_job(sessions)
    make_deliveries(sessions)
    with sessions.begin() as session:
        WebhookRepository(session).disable(webhook.id)
    make_job(sessions)
    make_deliveries(sessions)
    with sessions.begin() as session:
        WebhookRepository(session).enable(webhook.id)
    after = make_job(sessions)
    make_deliveries(sessions)
    assert [one.job_id for one in deliveries(sessions)] == [before.id, after.id]


def test_enabling_an_enabled_webhook_skips_nothing(sessions: Sessions) -> None:
    webhook = make_webhook(sessions, EventType.queued)
    make_job(sessions)
    with sessions.begin() as session:
        WebhookRepository(session).enable(webhook.id)
    assert make_deliveries(sessions) == 1


def test_more_events_than_one_batch_are_all_delivered(sessions: Sessions) -> None:
    make_webhook(sessions, EventType.queued)
    with sessions.begin() as session:
        jobs = JobRepository(session)
        ids = [jobs.add(NewJob(make_spec())).id for _ in range(BATCH_SIZE + 3)]
    assert [make_deliveries(sessions), make_deliveries(sessions), make_deliveries(sessions)] == [
        BATCH_SIZE,
        3,
        0,
    ]
    assert sorted(one.job_id or "" for one in deliveries(sessions)) == sorted(ids)


def test_two_control_processes_create_each_delivery_once(sessions: Sessions) -> None:
    webhooks = [make_webhook(sessions, *EventType) for _ in range(3)]
    start = Barrier(2)

    def control(_: int) -> int:
        start.wait()
        return make_deliveries(sessions)

    for _ in range(RACES):
        succeed(sessions, make_job(sessions))
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(control, range(2)))
    make_deliveries(sessions)

    found = [(one.webhook_id, one.position) for one in deliveries(sessions)]
    assert len(found) == len(set(found)) == len(webhooks) * RACES * 3
    ended = [one for one in deliveries(sessions) if one.type == "job.succeeded"]
    assert len({(one.webhook_id, one.job_id) for one in ended}) == len(ended) == 3 * RACES


def test_concurrent_writers_do_not_deadlock(sessions: Sessions) -> None:
    """PostgreSQL ends one of two transactions that lock the same rows in different orders."""
    jobs = [make_job(sessions) for _ in range(RACES)]
    for job in jobs:
        succeed(sessions, job)
    make_webhook(sessions, *EventType)

    def retell(job: Job) -> None:
        make_job(sessions)
        make_deliveries(sessions)

    def forget(job: Job) -> None:
        with sessions.begin() as session:
            JobCommands(session).delete(job.id)

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
                DispatchRepository(session).record_result(one, SendResult(0.1, 410))
            with suppress(WebhookNotFoundError), sessions.begin() as session:
                WebhookRepository(session).enable(one.webhook_id)

    def repeat(verb: Callable[[Job], None]) -> None:
        for job in jobs:
            verb(job)

    verbs = (retell, retell, forget, switch, refuse)
    with ThreadPoolExecutor(len(verbs)) as pool:
        list(pool.map(repeat, verbs))


def test_every_status_but_pausing_and_cancelling_has_an_event_type() -> None:
    announced = {one.status for one in EventType}
    assert set(JobState) - announced == {JobState.pausing, JobState.cancelling}


def test_a_webhook_can_receive_what_becomes_of_outputs(sessions: Sessions) -> None:
    wanted = make_webhook(sessions, EventType.output_succeeded, EventType.failed)
    make_webhook(sessions)
    job = make_job(sessions, make_spec(output=[{"hub": "org/name", "secret": "hf"}]))
    succeed(sessions, job)
    with sessions.begin() as session:
        held = SendingRepository(session).claim()
        assert held is not None
        SendingRepository(session).succeed(held, "https://hub.example/org/name/commit/1")
    make_deliveries(sessions)

    (delivery,) = (one for one in deliveries(sessions) if one.webhook_id == wanted.id)
    body = json.loads(delivery.body)
    assert (delivery.type, body["type"], body["subject"]) == (
        "output.succeeded",
        "output.succeeded",
        job.id,
    )
    assert body["data"]["output"]["url"] == "https://hub.example/org/name/commit/1"
    assert body["data"]["output"]["target"] == "hub:org/name@main"
    assert (body["data"]["job"]["status"], body["data"]["job"]["error"]) == ("succeeded", None)
    assert body["data"]["job"]["finished_at"] is not None
