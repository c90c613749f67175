"""Messages for queued jobs, on a real database."""

import pytest
from sqlalchemy import update

from db.core.clock import now
from db.core.session import Sessions
from db.core.states import JobState
from db.scheduling.claims import ClaimRepository
from db.scheduling.recovery import PUSH_AGAIN_AFTER
from db.tables.jobs import Job
from tests.factories import expire_lease, make_job
from tests.fakes import ListQueue
from tests.worker.rows import read
from worker.control import relay


def no_messages(_: str) -> int:
    return 0


def test_a_job_without_a_message_gets_one(sessions: Sessions) -> None:
    job, queue = make_job(sessions), ListQueue()

    assert relay.relay(sessions, queue.push, no_messages) == 1
    assert relay.relay(sessions, queue.push, no_messages) == 0

    assert (queue.ids, queue.queues) == ([job.id], ["gpu"])


def test_a_queue_gets_one_message_per_waiting_job_and_lost_messages_are_replaced(
    sessions: Sessions,
) -> None:
    waiting = [make_job(sessions).id for _ in range(5)] + [make_job(sessions, queue="big").id]
    queue = ListQueue()

    def later() -> int:
        with sessions.begin() as session:
            session.execute(update(Job).values(pushed_at=now(-2 * PUSH_AGAIN_AFTER)))
        return relay.relay(sessions, queue.push, queue.queues.count)

    assert [later() for _ in range(10)] == [6] + 9 * [0]
    assert sorted(queue.ids) == sorted(waiting)
    queue.queues.remove("gpu")
    queue.queues.remove("gpu")
    assert [later(), later()] == [2, 0]
    queue.queues.clear()
    assert [later(), later()] == [6, 0]


def test_a_failed_publication_loses_no_job(sessions: Sessions) -> None:
    job = make_job(sessions)

    def fail(*_: str) -> None:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        relay.relay(sessions, fail, no_messages)

    assert read(sessions, job.id).status is JobState.queued


def test_a_message_is_needed_while_a_job_waits_in_the_queues_or_its_own_job_lost_its_worker(
    sessions: Sessions,
) -> None:
    job = make_job(sessions)
    assert relay.has_work(sessions, "job_ended", ["gpu"])
    assert not relay.has_work(sessions, job.id, ["big"])
    with sessions.begin() as session:
        ClaimRepository(session).claim(job.id, "test/1")
    assert not relay.has_work(sessions, job.id, ["gpu"])
    expire_lease(sessions, job.id)
    assert relay.has_work(sessions, job.id, ["gpu"])
    assert not relay.has_work(sessions, "job_other", ["gpu"])
