"""Which workers have enough memory for a job, on both databases."""

from typing import Any

import pytest
from sqlalchemy import update

from db.core.clock import now
from db.core.session import Sessions
from db.scheduling.claims import ClaimRepository
from db.scheduling.queues import QueueRepository
from db.scheduling.recovery import RecoveryRepository
from db.scheduling.workers import DELETED_AFTER, WorkerRepository
from db.tables.jobs import Worker
from tests.factories import make_job, make_worker
from worker.control import relay

SMALL, LARGE = "wrk_small", "wrk_large"
QUEUES = ("gpu",)


@pytest.fixture(autouse=True)
def workers(sessions: Sessions) -> None:
    """One of 24 GB, one of 80 GB that serves two queues, and one of unknown memory."""
    with sessions.begin() as session:
        for name, memory_bytes, queues in (
            ("small", 24 * 10**9, ["gpu"]),
            ("large", 80 * 10**9, ["big", "gpu"]),
            ("new", None, ["gpu"]),
        ):
            worker = make_worker(name, memory_bytes=memory_bytes, queues=queues)
            WorkerRepository(session).register(worker)


def change(sessions: Sessions, worker_id: str, **values: Any) -> None:
    with sessions.begin() as session:
        session.execute(update(Worker).where(Worker.id == worker_id).values(**values))


def claimable(sessions: Sessions, job_id: str, worker_id: str) -> bool:
    """Whether a worker may take the job, by all three questions; nothing is changed."""
    with sessions() as session:
        queue = QueueRepository(session)
        next_id = queue.next_job(QUEUES, worker_id)
        assert queue.has_runnable(QUEUES, worker_id=worker_id) is (next_id is not None)
        claims = ClaimRepository(session)
        claimed = claims.claim(job_id, "gpu/1", worker_id=worker_id, queues=QUEUES)
        session.rollback()
    assert (claimed is not None) is (next_id == job_id)
    return claimed is not None


def test_a_job_whose_plan_needs_much_is_left_to_a_worker_that_has_it(sessions: Sessions) -> None:
    job = make_job(sessions, planned_memory_bytes=40 * 10**9)
    fitting = make_job(sessions, priority=-1, planned_memory_bytes=20 * 10**9)
    assert not claimable(sessions, job.id, SMALL)
    assert claimable(sessions, fitting.id, SMALL)
    assert claimable(sessions, job.id, LARGE)
    assert claimable(sessions, job.id, "wrk_new")


@pytest.mark.parametrize(
    "gone",
    [
        {"draining": True},
        {"queues": ["bigpu", "gpu2"]},
        {"memory_bytes": 39 * 10**9},
        {"heartbeat_at": now(-DELETED_AFTER)},
    ],
    ids=["draining", "another queue", "too small", "silent"],
)
def test_any_worker_tries_a_plan_of_its_own_while_none_has_what_the_plan_needs(
    sessions: Sessions, gone: dict[str, Any]
) -> None:
    job = make_job(sessions, planned_memory_bytes=40 * 10**9)
    change(sessions, LARGE, **gone)
    assert claimable(sessions, job.id, SMALL)


def test_a_job_that_asks_for_memory_waits_for_a_worker_that_has_it(sessions: Sessions) -> None:
    job = make_job(sessions, min_memory_bytes=40 * 10**9)
    assert claimable(sessions, job.id, LARGE)
    change(sessions, LARGE, draining=True)
    assert not claimable(sessions, job.id, SMALL)
    assert not claimable(sessions, job.id, "wrk_new")
    change(sessions, SMALL, memory_bytes=40 * 10**9)
    assert claimable(sessions, job.id, SMALL)


def test_the_message_of_a_job_is_sent_again_if_a_larger_worker_is_idle(sessions: Sessions) -> None:
    job, busy = make_job(sessions, planned_memory_bytes=40 * 10**9), make_job(sessions)
    with sessions.begin() as session:
        RecoveryRepository(session).mark_pushed([job.id, busy.id])
        ClaimRepository(session).claim(busy.id, "gpu/1", worker_id=LARGE)
        WorkerRepository(session).set_job(LARGE, busy.id)
    assert not relay.has_work(sessions, job.id, QUEUES, SMALL)
    assert unpushed(sessions) == []
    change(sessions, LARGE, job_id=None)
    assert not relay.has_work(sessions, job.id, QUEUES, SMALL)
    assert unpushed(sessions) == [job.id]


def unpushed(sessions: Sessions) -> list[str]:
    with sessions() as session:
        return RecoveryRepository(session).unpushed(queue="gpu")
