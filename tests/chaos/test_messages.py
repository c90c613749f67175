"""The sender of webhook messages is killed at each write: every event arrives with one id."""

from collections import defaultdict

import pytest

from db.core.session import Sessions
from db.core.states import JobState
from db.tables.jobs import Job
from db.tables.webhooks import Delivery, DeliveryStatus
from db.webhooks.event_types import EventType
from tests.chaos import programs
from tests.chaos.stage import Stage
from tests.factories import make_job, move
from tests.worker.webhooks.messages import deliveries, make_due, make_webhook
from tests.worker.webhooks.receivers import Receiver, receiving

pytestmark = pytest.mark.chaos


def end_a_job(sessions: Sessions) -> Job:
    job = make_job(sessions)
    with sessions.begin() as session:
        move(session, job.id, JobState.running, JobState.succeeded)
    return job


def broken(found: list[Delivery], receiver: Receiver, jobs: list[Job], times: int) -> list[str]:
    """Return what is wrong with the messages about some jobs, each sent so often at most."""
    wrong = []
    arrived = defaultdict(list)
    for request in receiver.requests:
        arrived[request.headers["webhook-id"]].append(request.body)
    if sorted(one.job_id or "" for one in found) != sorted(job.id for job in jobs):
        wrong.append(f"{len(found)} messages for {len(jobs)} events")
    if set(arrived) != {one.id for one in found}:
        wrong.append("other messages have arrived than those written down")
    for one in found:
        if one.status is not DeliveryStatus.delivered or set(arrived[one.id]) != {one.body}:
            wrong.append(f"{one.id} is {one.status}, and arrived as {set(arrived[one.id])}")
        if len(arrived[one.id]) > times:
            wrong.append(f"{one.id} arrived {len(arrived[one.id])} times")
    return wrong


def test_each_event_arrives_with_one_id_although_the_sender_is_killed_at_any_write(
    stage: Stage,
) -> None:
    jobs: list[Job] = []

    def prepare() -> tuple[()]:
        jobs.append(end_a_job(stage.sessions))
        return ()

    def check(at: int) -> None:
        make_due(stage.sessions)  # a minute goes by
        programs.send_messages(stage.world, stage.sessions)
        found = broken(deliveries(stage.sessions), receiver, jobs, 2)
        stage.tally.check(f"dispatcher killed at {at}", found)

    with receiving() as receiver:
        make_webhook(stage.sessions, receiver.url, EventType.succeeded)
        stage.kill_at_each_write("dispatcher", programs.send_messages, prepare, check)
    assert len(receiver.requests) > len(jobs), "it was never killed between arrival and note"
