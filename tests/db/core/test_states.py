import pytest

from db.core.errors import IllegalTransitionError, JobNotFoundError, StaleVersionError
from db.core.session import Sessions
from db.core.states import FINAL, HELD, NEXT, JobState
from db.events.transitions import RETRIED, allowed_actions
from db.jobs.repository import JobRepository
from tests.factories import make_job, move


def test_the_table_names_every_state() -> None:
    assert set(NEXT) == set(JobState)
    assert set().union(*NEXT.values()) <= set(JobState)


@pytest.mark.parametrize("wanted", JobState)
def test_a_move_leaves_a_row_that_fits_its_state(wanted: JobState, sessions: Sessions) -> None:
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
        jobs = JobRepository(session)
        assert jobs.pause(job.id).version == job.version + 1
        events = [(event.seq, event.kind, event.status) for event in jobs.events(job.id)]
    assert events == [(1, "status", JobState.queued), (2, "status", JobState.paused)]


def test_a_change_of_state_that_is_rolled_back_leaves_no_event(sessions: Sessions) -> None:
    job = make_job(sessions)
    with sessions() as session, session.begin() as transaction:
        JobRepository(session).pause(job.id)
        transaction.rollback()
    with sessions() as session:
        assert JobRepository(session).get(job.id).status is JobState.queued
        assert len(JobRepository(session).events(job.id)) == 1


def test_an_unknown_job_is_not_found_by_any_verb(sessions: Sessions) -> None:
    with sessions.begin() as session:
        jobs = JobRepository(session)
        with pytest.raises(JobNotFoundError):
            jobs.get("job_0")
        with pytest.raises(JobNotFoundError):
            jobs.pause("job_0")
        with pytest.raises(JobNotFoundError):
            jobs.cancel("job_0")


CANCELLED = {
    JobState.queued: JobState.cancelled,
    JobState.paused: JobState.cancelled,
    JobState.running: JobState.cancelling,
    JobState.pausing: JobState.cancelling,
    JobState.cancelling: JobState.cancelling,
    JobState.cancelled: JobState.cancelled,
}


@pytest.mark.parametrize("before", JobState)
def test_a_cancel_ends_what_can_be_ended(before: JobState, sessions: Sessions) -> None:
    job = make_job(sessions, status=before)
    with sessions.begin() as session:
        jobs = JobRepository(session)
        if before not in CANCELLED:
            with pytest.raises(IllegalTransitionError):
                jobs.cancel(job.id)
            return
        cancelled = jobs.cancel(job.id)
        assert cancelled.status is CANCELLED[before]
        if before is not CANCELLED[before]:
            assert (cancelled.finished_at is not None) == cancelled.status.is_final


def test_a_second_cancel_changes_nothing(sessions: Sessions) -> None:
    job = make_job(sessions)
    with sessions.begin() as session:
        jobs = JobRepository(session)
        first = jobs.cancel(job.id).version
        assert jobs.cancel(job.id).version == first
        assert len(jobs.events(job.id)) == 2


@pytest.mark.parametrize("status", JobState)
def test_a_retry_queues_what_ended_without_success_and_nothing_else(
    status: JobState, sessions: Sessions
) -> None:
    job = make_job(sessions, status=status, attempt=3, crashes=3, error={"code": "x"})
    with sessions.begin() as session:
        jobs = JobRepository(session)
        if status not in RETRIED:
            with pytest.raises(IllegalTransitionError):
                jobs.retry(job.id)
            assert "retry" not in allowed_actions(status)
            return
        read = jobs.retry(job.id)
        assert (read.status, read.attempt, read.crashes) == (JobState.queued, 3, 0)
        assert (read.error, read.finished_at, read.pushed_at) == (None, None, None)
        assert jobs.events(job.id)[-1].data == {"reason": "retry"}
        assert jobs.unpushed() == [job.id]
        taken = jobs.claim(job.id, "worker-1")
        assert taken is not None
        assert taken.attempt == 4


def test_a_retry_of_a_version_that_is_gone_is_refused(sessions: Sessions) -> None:
    job = make_job(sessions, status=JobState.failed)
    with sessions.begin() as session:
        jobs = JobRepository(session)
        with pytest.raises(StaleVersionError):
            jobs.retry(job.id, version=job.version + 1)
        assert jobs.retry(job.id, version=job.version).status is JobState.queued


def test_a_cancel_of_a_version_that_is_gone_is_refused(sessions: Sessions) -> None:
    job = make_job(sessions)
    with sessions.begin() as session:
        jobs = JobRepository(session)
        jobs.claim(job.id, "worker-1")
        with pytest.raises(StaleVersionError):
            jobs.cancel(job.id, version=job.version)
        assert jobs.cancel(job.id, version=job.version + 1).status is JobState.cancelling
