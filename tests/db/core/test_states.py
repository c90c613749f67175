import pytest

from db.core.errors import IllegalTransitionError, JobNotFoundError, StaleVersionError
from db.core.session import Sessions
from db.core.states import FINAL, HELD, NEXT, JobState
from db.events.job_events import EventRepository
from db.events.transitions import RETRIED, allowed_actions
from db.jobs.commands import JobCommands
from db.jobs.repository import JobRepository
from db.scheduling.claims import ClaimRepository
from db.scheduling.recovery import RecoveryRepository
from tests.factories import make_job, move


def test_the_table_names_every_state() -> None:
    assert set(NEXT) == set(JobState)
    assert set().union(*NEXT.values()) <= set(JobState)


@pytest.mark.parametrize("wanted", JobState)
def test_a_transition_leaves_a_row_that_fits_its_state(
    wanted: JobState, sessions: Sessions
) -> None:
    before = next(state for state, after in NEXT.items() if wanted in after)
    job = make_job(sessions, status=before)
    with sessions.begin() as session:
        moved = move(session, job.id, wanted)
        assert (moved.finished_at is not None) == (wanted in FINAL)
        assert moved.lease_until is None or wanted in HELD
        assert moved.pushed_at is None


def test_a_change_of_state_writes_one_event_and_counts_one_version(sessions: Sessions) -> None:
    job = make_job(sessions)
    with sessions.begin() as session:
        assert JobCommands(session).pause(job.id).version == job.version + 1
        events = [
            (event.seq, event.kind, event.status)
            for event in EventRepository(session).events(job.id)
        ]
    assert events == [(1, "status", JobState.queued), (2, "status", JobState.paused)]


def test_a_change_of_state_that_is_rolled_back_leaves_no_event(sessions: Sessions) -> None:
    job = make_job(sessions)
    with sessions() as session, session.begin() as transaction:
        JobCommands(session).pause(job.id)
        transaction.rollback()
    with sessions() as session:
        assert JobRepository(session).get(job.id).status is JobState.queued
        assert len(EventRepository(session).events(job.id)) == 1


def test_every_command_raises_an_error_for_an_unknown_job(sessions: Sessions) -> None:
    with sessions.begin() as session:
        with pytest.raises(JobNotFoundError):
            JobRepository(session).get("job_0")
        with pytest.raises(JobNotFoundError):
            JobCommands(session).pause("job_0")
        with pytest.raises(JobNotFoundError):
            JobCommands(session).cancel("job_0")


CANCELLED = {
    JobState.queued: JobState.cancelled,
    JobState.paused: JobState.cancelled,
    JobState.running: JobState.cancelling,
    JobState.pausing: JobState.cancelling,
    JobState.cancelling: JobState.cancelling,
    JobState.cancelled: JobState.cancelled,
}


@pytest.mark.parametrize("before", JobState)
def test_a_cancel_ends_jobs_that_have_not_ended(before: JobState, sessions: Sessions) -> None:
    job = make_job(sessions, status=before)
    with sessions.begin() as session:
        commands = JobCommands(session)
        if before not in CANCELLED:
            with pytest.raises(IllegalTransitionError):
                commands.cancel(job.id)
            return
        cancelled = commands.cancel(job.id)
        assert cancelled.status is CANCELLED[before]
        if before is not CANCELLED[before]:
            assert (cancelled.finished_at is not None) == cancelled.status.is_final


def test_a_second_cancel_changes_nothing(sessions: Sessions) -> None:
    job = make_job(sessions)
    with sessions.begin() as session:
        first = JobCommands(session).cancel(job.id).version
        assert JobCommands(session).cancel(job.id).version == first
        assert len(EventRepository(session).events(job.id)) == 2


@pytest.mark.parametrize("status", JobState)
def test_a_retry_queues_only_jobs_that_ended_without_success(
    status: JobState, sessions: Sessions
) -> None:
    job = make_job(sessions, status=status, attempt=3, crashes=3, error={"code": "x"})
    with sessions.begin() as session:
        if status not in RETRIED:
            with pytest.raises(IllegalTransitionError):
                JobCommands(session).retry(job.id)
            assert "retry" not in allowed_actions(status)
            return
        read = JobCommands(session).retry(job.id)
        assert (read.status, read.attempt, read.crashes) == (JobState.queued, 3, 0)
        assert (read.error, read.finished_at, read.pushed_at) == (None, None, None)
        assert EventRepository(session).events(job.id)[-1].data == {"reason": "retry"}
        assert RecoveryRepository(session).unpushed() == [job.id]
        taken = ClaimRepository(session).claim(job.id, "worker-1")
        assert taken is not None
        assert taken.attempt == 4


def test_a_retry_of_an_outdated_version_is_rejected(sessions: Sessions) -> None:
    job = make_job(sessions, status=JobState.failed)
    with sessions.begin() as session:
        commands = JobCommands(session)
        with pytest.raises(StaleVersionError):
            commands.retry(job.id, version=job.version + 1)
        assert commands.retry(job.id, version=job.version).status is JobState.queued


def test_a_cancel_of_an_outdated_version_is_rejected(sessions: Sessions) -> None:
    job = make_job(sessions)
    with sessions.begin() as session:
        ClaimRepository(session).claim(job.id, "worker-1")
        with pytest.raises(StaleVersionError):
            JobCommands(session).cancel(job.id, version=job.version)
        assert (
            JobCommands(session).cancel(job.id, version=job.version + 1).status
            is JobState.cancelling
        )
