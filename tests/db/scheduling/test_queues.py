"""Which waiting job is taken next, and how long the queues are."""

import threading
from datetime import timedelta

import pytest
from sqlalchemy import update

from db.core.clock import now
from db.core.session import Sessions
from db.core.states import JobState
from db.jobs.commands import JobCommands
from db.jobs.repository import JobRepository
from db.scheduling.claims import ClaimRepository
from db.scheduling.leases import LeaseRepository
from db.scheduling.queues import QueueRepository
from db.scheduling.recovery import RecoveryRepository
from db.scheduling.workers import WorkerRepository
from db.tables.jobs import Job
from tests.db.jobs.sweeps import job_ids, make_sweep
from tests.db.scheduling.taking import take
from tests.factories import make_job, make_worker


def test_the_highest_priority_goes_first_and_of_one_priority_the_oldest(sessions: Sessions) -> None:
    first, second, urgent, idle = (
        make_job(sessions, priority=priority).id for priority in (0, 0, 7, -3)
    )
    assert [take(sessions) for _ in range(5)] == [urgent, first, second, idle, None]


def test_a_worker_takes_from_its_queues_alone(sessions: Sessions) -> None:
    big, small = make_job(sessions, queue="big").id, make_job(sessions).id
    assert take(sessions) == small
    assert take(sessions) is None
    with sessions.begin() as session:
        assert ClaimRepository(session).claim(big, "worker-1", queues=("gpu",)) is None
    assert take(sessions, ("gpu", "big")) == big


def test_workers_that_choose_at_the_same_moment_take_different_jobs(sessions: Sessions) -> None:
    made = {make_job(sessions).id for _ in range(8)}
    start, taken = threading.Barrier(8), list[str | None]()

    def run() -> None:
        start.wait()
        taken.append(take(sessions))

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(taken) == made
    assert len(taken) == 8


def test_points_that_wait_do_not_block_other_jobs(sessions: Sessions) -> None:
    first, second = job_ids(sessions, make_sweep(sessions, 2, max_parallel=1))
    other = make_job(sessions, priority=-10).id
    assert [take(sessions), take(sessions), take(sessions)] == [first, other, None]
    with sessions.begin() as session:
        assert not QueueRepository(session).has_runnable(["gpu"])
        LeaseRepository(session).succeed(first, 1, {}, [])
        assert QueueRepository(session).has_runnable(["gpu"])
    assert take(sessions) == second


def test_a_changed_priority_changes_the_next_job(sessions: Sessions) -> None:
    first, second = make_job(sessions), make_job(sessions)
    with sessions.begin() as session:
        changed = JobCommands(session).describe(second.id, name=None, labels={}, priority=1)
        assert (changed.priority, changed.version) == (1, second.version + 1)
    assert [take(sessions), take(sessions)] == [second.id, first.id]


def test_the_most_urgent_job_is_pushed_first(sessions: Sessions) -> None:
    normal, urgent = make_job(sessions).id, make_job(sessions, priority=1).id
    with sessions.begin() as session:
        assert RecoveryRepository(session).unpushed() == [urgent, normal]


def test_runnable_jobs_are_counted_by_queue(
    sessions: Sessions,
) -> None:
    make_sweep(sessions, 3, max_parallel=1)
    big = make_job(sessions, queue="big").id
    make_job(sessions, status=JobState.running, attempt=1)
    with sessions.begin() as session:
        assert QueueRepository(session).runnable_counts() == {"gpu": 1, "big": 1}
        assert RecoveryRepository(session).unpushed(queue="big") == [big]


def test_a_queue_has_a_length_and_the_age_of_its_oldest_job(sessions: Sessions) -> None:
    oldest = make_job(sessions)
    make_job(sessions)
    make_job(sessions, queue="big", status=JobState.running, attempt=1)
    make_job(sessions, status=JobState.failed)
    with sessions.begin() as session:
        moved = update(Job).where(Job.id == oldest.id)
        session.execute(moved.values(created_at=now(-timedelta(minutes=5))))
    with sessions() as session:
        depths = QueueRepository(session).depths()
    assert depths.keys() == {"gpu", "big"}
    assert (depths["gpu"].queued, depths["gpu"].running) == (2, 0)
    assert depths["gpu"].oldest_age_s == pytest.approx(300, abs=30)
    assert (depths["big"].queued, depths["big"].running) == (0, 1)
    assert depths["big"].oldest_age_s is None


def test_a_position_counts_the_jobs_ahead(sessions: Sessions) -> None:
    jobs = [make_job(sessions, priority=priority) for priority in (0, 5, 0)]
    make_job(sessions, priority=9, queue="big")
    with sessions() as session:
        places = [QueueRepository(session).position(job) for job in jobs]
    assert places == [2, 1, 3]
    assert take(sessions) == jobs[1].id
    with sessions() as session:
        assert [
            QueueRepository(session).position(JobRepository(session).get(job.id)) for job in jobs
        ] == [1, None, 2]


def test_a_draining_worker_claims_no_job(sessions: Sessions) -> None:
    queued = make_job(sessions).id
    with sessions.begin() as session:
        workers = WorkerRepository(session)
        for name in ("gpu@a", "gpu@b"):
            workers.register(make_worker(name))
        workers.set_draining("wrk_gpu@a", True)
    with sessions.begin() as session:
        assert ClaimRepository(session).claim(queued, "a/1", worker_id="wrk_gpu@a") is None
    with sessions.begin() as session:
        assert ClaimRepository(session).claim(queued, "b/1", worker_id="wrk_gpu@b") is not None
