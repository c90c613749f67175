"""Lease recovery on a real database, whose clock some tests shift."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from db.core.session import Sessions
from db.core.states import JobState
from db.files.artifact_store import ArtifactStore
from db.jobs import releases
from db.scheduling.claims import ClaimRepository
from db.scheduling.leases import LeaseRepository
from tests.db.scheduling.workers import appear, silent_for, states
from tests.factories import expire_lease, make_job, move
from tests.worker.rows import read
from tests.worker.work import work
from worker.attempts.run import Runner
from worker.control import lease_recovery
from worker.control.lease_recovery import LeaseRecovery
from worker.settings import WorkerSettings

GONE = timedelta(seconds=-1)
KEPT = timedelta(days=1)


class ShiftedRecovery(LeaseRecovery):
    """Reads the database's clock as it was at first, shifted by ``shift``.

    So the time that a busy machine takes between two calls makes no difference.
    """

    shift = timedelta()
    first: datetime | None = None

    def _read_clock(self) -> datetime:
        if self.first is None:
            self.first = super()._read_clock()
        return self.first + self.shift


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def recovery(sessions: Sessions, store: ArtifactStore, clock: Clock) -> ShiftedRecovery:
    settings = WorkerSettings.model_validate({})
    return ShiftedRecovery(sessions, store, settings, clock)


def lose(sessions: Sessions) -> str:
    job_id = make_job(sessions).id
    with sessions.begin() as session:
        ClaimRepository(session).claim(job_id, "test/1")
    expire_lease(sessions, job_id)
    return job_id


@pytest.mark.parametrize("seconds", [0, 39, -4])
def test_an_expired_lease_is_recovered_at_once_while_the_clock_is_steady(
    sessions: Sessions, recovery: ShiftedRecovery, seconds: float
) -> None:
    recovery.run()
    job_id = lose(sessions)
    recovery.shift = timedelta(seconds=seconds)
    assert recovery.run() == 1
    assert read(sessions, job_id).status is JobState.queued


@pytest.mark.parametrize("seconds", [41, 3600, 9 * 86_400, -6, -3600, -9 * 86_400])
def test_after_a_jump_of_the_clock_workers_have_time_to_renew_their_leases(
    sessions: Sessions, recovery: ShiftedRecovery, clock: Clock, seconds: float
) -> None:
    recovery.run()
    dead, living = lose(sessions), lose(sessions)
    recovery.shift = timedelta(seconds=seconds)
    assert recovery.run() == 0
    clock.seconds += 29
    assert recovery.run() == 0
    with sessions.begin() as session:
        LeaseRepository(session).heartbeat(living, 1)
    clock.seconds += 1
    assert recovery.run() == 1
    assert read(sessions, dead).status is JobState.queued
    assert read(sessions, living).status is JobState.running


def test_a_clock_that_jumps_before_every_call_does_not_prevent_recovery(
    sessions: Sessions, recovery: ShiftedRecovery, clock: Clock
) -> None:
    job_id = lose(sessions)
    recovery.run()
    for _ in range(5):
        recovery.shift += timedelta(hours=1)
        clock.seconds += 10
        recovery.run()
    assert read(sessions, job_id).status is JobState.queued


def test_a_job_with_an_expired_lease_is_requeued_and_its_old_files_are_deleted_on_success(
    sessions: Sessions, store: ArtifactStore, runner: Callable[..., Runner], tmp_path: Path
) -> None:
    job = make_job(sessions)
    with sessions.begin() as session:
        ClaimRepository(session, lease=GONE).claim(job.id, "test/1")
    half = store.stage(job.id, 1) / "half.safetensors"
    half.write_bytes(b"half")

    assert lease_recovery.recover_leases(sessions, store, KEPT) == 1

    runner(work()).run(job.id)
    assert not half.exists()
    again = read(sessions, job.id)
    assert (again.status, again.attempt, again.crashes) == (JobState.succeeded, 2, 1)


def test_the_job_of_a_dead_worker_can_be_claimed_before_its_lease_expires(
    sessions: Sessions, store: ArtifactStore
) -> None:
    job = make_job(sessions)
    with sessions.begin() as session:
        ClaimRepository(session).claim(job.id, "test/1")

    releases.release_job(sessions, store, job.id, "test/2")
    assert read(sessions, job.id).status is JobState.running, "another worker holds it"
    releases.release_job(sessions, store, job.id, "test/1")

    with sessions.begin() as session:
        assert ClaimRepository(session).claim(job.id, "test/3") is not None


def test_a_job_that_kills_its_worker_three_times_fails(
    sessions: Sessions, store: ArtifactStore
) -> None:
    job = make_job(sessions)
    for number in range(3):
        with sessions.begin() as session:
            ClaimRepository(session).claim(job.id, f"test/{number}")
        releases.release_job(sessions, store, job.id, f"test/{number}")

    failed = read(sessions, job.id)
    assert failed.status is JobState.failed
    assert failed.error is not None
    assert failed.error["code"] == "worker_lost"


@pytest.mark.parametrize("ended", [JobState.cancelled, JobState.failed, JobState.expired])
def test_staged_files_of_an_ended_job_are_kept_for_a_retry_but_not_forever(
    ended: JobState, sessions: Sessions, store: ArtifactStore
) -> None:
    job = make_job(sessions, status=JobState.running)
    other = make_job(sessions)
    for one in (job, other):
        store.stage(one.id, 1)
    with sessions.begin() as session:
        move(session, job.id, JobState.queued, ended)

    lease_recovery.recover_leases(sessions, store, KEPT)
    assert set(store.staged_jobs()) == {job.id, other.id}

    lease_recovery.recover_leases(sessions, store, GONE)
    assert store.staged_jobs() == [other.id]


def test_the_job_of_a_dead_process_is_released_even_if_its_message_named_another(
    sessions: Sessions, store: ArtifactStore
) -> None:
    held, other = make_job(sessions), make_job(sessions)
    with sessions.begin() as session:
        ClaimRepository(session).claim(held.id, "test/1")
        ClaimRepository(session).claim(other.id, "test/2")

    releases.release_jobs_of(sessions, store, "test/1")

    assert read(sessions, held.id).status is JobState.queued
    assert read(sessions, other.id).status is JobState.running


def test_workers_that_were_lost_long_ago_are_deleted(
    sessions: Sessions, store: ArtifactStore
) -> None:
    appear(sessions, "gone", "there")
    silent_for(sessions, "gone", timedelta(days=2))
    lease_recovery.recover_leases(sessions, store, KEPT)
    assert states(sessions) == {"there": "idle"}


def test_a_job_past_its_deadline_ends_in_any_state(
    sessions: Sessions, store: ArtifactStore
) -> None:
    past, later = datetime.now(UTC) - timedelta(hours=1), datetime.now(UTC) + timedelta(hours=1)
    states = (JobState.queued, JobState.paused, JobState.running, JobState.pausing)
    overdue = [make_job(sessions, status=state, attempt=1, deadline=past) for state in states]
    in_time = make_job(sessions, deadline=later)
    over = make_job(sessions, status=JobState.succeeded, deadline=past)

    lease_recovery.recover_leases(sessions, store, KEPT)

    for job in overdue:
        expired = read(sessions, job.id)
        assert expired.status is JobState.expired
        assert expired.error is not None
        assert expired.error["code"] == "deadline_passed"
    assert read(sessions, in_time.id).status is JobState.queued
    assert read(sessions, over.id).status is JobState.succeeded
