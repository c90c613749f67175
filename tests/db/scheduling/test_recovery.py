from datetime import timedelta

import pytest
from sqlalchemy import update

from db.core.clock import now
from db.core.session import Sessions
from db.core.states import JobState
from db.events.job_events import EventRepository
from db.jobs.repository import JobRepository
from db.scheduling.claims import ClaimRepository
from db.scheduling.crashes import MAX_STARVED_ATTEMPTS
from db.scheduling.leases import LeaseRepository
from db.scheduling.recovery import RecoveryRepository
from db.tables.jobs import Job
from tests.factories import expire_lease, make_job, make_worker


def push(sessions: Sessions, job_id: str, ago: timedelta) -> None:
    with sessions.begin() as session:
        session.execute(update(Job).where(Job.id == job_id).values(pushed_at=now(-ago)))


def test_a_job_is_pushed_once_and_again_if_no_worker_claims_it(sessions: Sessions) -> None:
    never, lately, in_vain = (make_job(sessions).id for _ in range(3))
    push(sessions, lately, timedelta(seconds=1))
    push(sessions, in_vain, timedelta(seconds=40))
    with sessions.begin() as session:
        recovery = RecoveryRepository(session)
        assert recovery.unpushed(10) == [never, in_vain]
        assert recovery.unpushed(1) == [never]
        recovery.mark_pushed([never, in_vain])
        assert recovery.unpushed(10) == []


def test_a_push_from_before_the_clock_was_set_back_is_repeated(sessions: Sessions) -> None:
    job = make_job(sessions)
    push(sessions, job.id, -timedelta(hours=1))
    with sessions.begin() as session:
        recovery = RecoveryRepository(session)
        assert recovery.unpushed(10) == [job.id]
        recovery.mark_pushed([job.id])
        assert recovery.unpushed(10) == []


@pytest.mark.parametrize("status", [state for state in JobState if state is not JobState.queued])
def test_only_queued_jobs_are_pushed(status: JobState, sessions: Sessions) -> None:
    job = make_job(sessions, status=status)
    with sessions.begin() as session:
        assert RecoveryRepository(session).unpushed(10) == []
        RecoveryRepository(session).mark_pushed([job.id])
        assert JobRepository(session).get(job.id).pushed_at is None


@pytest.mark.parametrize(
    ("before", "after", "crashes"),
    [
        (JobState.running, JobState.queued, 1),
        (JobState.pausing, JobState.paused, 0),
        (JobState.cancelling, JobState.cancelled, 0),
    ],
)
def test_a_lost_workers_job_is_released(
    before: JobState, after: JobState, crashes: int, sessions: Sessions
) -> None:
    job = make_job(sessions, status=before, attempt=1, worker="worker-1")
    expire_lease(sessions, job.id)
    with sessions.begin() as session:
        (read,) = RecoveryRepository(session).release_expired()
        assert (read.id, read.status, read.crashes) == (job.id, after, crashes)
        assert (read.lease_until, read.pushed_at, read.worker) == (None, None, None)
        assert EventRepository(session).events(job.id)[-1].data["reason"] == "worker_lost"
        assert RecoveryRepository(session).release_expired() == []


def test_a_job_of_a_live_worker_is_not_released(sessions: Sessions) -> None:
    job = make_job(sessions)
    with sessions.begin() as session:
        ClaimRepository(session).claim(job.id, "worker-1")
        assert RecoveryRepository(session).release_expired() == []


def test_three_crashes_fail_a_job(sessions: Sessions) -> None:
    job = make_job(sessions)
    for crash in (1, 2, 3):
        with sessions.begin() as session:
            assert ClaimRepository(session).claim(job.id, "worker-1") is not None
        expire_lease(sessions, job.id)
        with sessions.begin() as session:
            (read,) = RecoveryRepository(session).release_expired()
            assert read.crashes == crash
            assert read.status is (JobState.queued if crash < 3 else JobState.failed)
    assert read.error is not None
    assert (read.error["code"], read.error["retryable"]) == ("worker_lost", True)
    assert read.finished_at is not None


@pytest.mark.parametrize(
    ("silent_s", "block", "attempt", "crashes", "reason"),
    [
        (1, None, 1, 0, "worker_starved"),
        (1, None, MAX_STARVED_ATTEMPTS, 0, "worker_starved"),
        (1, None, MAX_STARVED_ATTEMPTS + 1, 1, "worker_lost"),
        (1, 0, 1, 1, "worker_lost"),
        (50, None, 1, 1, "worker_lost"),
    ],
)
@pytest.mark.parametrize("how", ["recovery", "claim"])
def test_a_lease_that_expires_before_the_first_block_beside_a_live_worker_is_no_crash(
    silent_s: int,
    block: int | None,
    attempt: int,
    crashes: int,
    reason: str,
    how: str,
    sessions: Sessions,
) -> None:
    job = make_job(sessions, status=JobState.running, attempt=attempt, block_index=block)
    beat = now(-timedelta(seconds=silent_s))
    with sessions.begin() as session:
        session.add(make_worker("slow", job_id=job.id, heartbeat_at=beat))
    expire_lease(sessions, job.id)
    with sessions.begin() as session:
        if how == "claim":
            read = ClaimRepository(session).claim(job.id, "worker-2")
            assert read is not None
        else:
            (read,) = RecoveryRepository(session).release_expired()
            assert EventRepository(session).events(job.id)[-1].data["reason"] == reason
        assert (read.crashes, read.strikes) == (crashes, crashes)


def test_a_process_that_its_worker_saw_end_is_a_crash(sessions: Sessions) -> None:
    job = make_job(sessions, status=JobState.running, attempt=1, worker="slow/1")
    with sessions.begin() as session:
        session.add(make_worker("slow", job_id=job.id, heartbeat_at=now()))
    with sessions.begin() as session:
        read = RecoveryRepository(session).release_lost(job.id, "slow/1")
        assert read is not None
        assert (read.crashes, read.strikes) == (1, 1)


def test_a_release_between_crashes_does_not_count(sessions: Sessions) -> None:
    job = make_job(sessions, crashes=2)
    with sessions.begin() as session:
        ClaimRepository(session).claim(job.id, "worker-1")
        assert LeaseRepository(session).release(job.id, 1).crashes == 2
        assert ClaimRepository(session).claim(job.id, "worker-1") is not None


def test_a_crashed_workers_job_is_released_before_its_lease_expires(sessions: Sessions) -> None:
    job = make_job(sessions)
    with sessions.begin() as session:
        ClaimRepository(session).claim(job.id, "worker-1")
        assert RecoveryRepository(session).release_lost(job.id, "worker-2") is None
        assert JobRepository(session).get(job.id).status is JobState.running
        released = RecoveryRepository(session).release_lost(job.id, "worker-1")
    assert released is not None
    assert (released.status, released.crashes) == (JobState.queued, 1)
