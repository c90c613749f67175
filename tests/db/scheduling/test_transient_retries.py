"""Jobs that wait after a failure that may pass, on both databases."""

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from db.core.clock import now
from db.core.errors import LeaseLostError
from db.core.session import Sessions
from db.core.states import JobState
from db.events.job_events import EventRepository
from db.events.job_rows import JobRow, get_job
from db.jobs.commands import JobCommands
from db.scheduling.claims import ClaimRepository
from db.scheduling.leases import LeaseRepository
from db.scheduling.queues import QueueRepository
from db.scheduling.recovery import RecoveryRepository
from db.scheduling.transient_retries import RETRIES
from db.tables.jobs import Job, Sweep
from tests.factories import make_job, make_problem, move

PROBLEM = make_problem(code="hub_unreachable")


def fail(sessions: Sessions, job_id: str, *blocks: int) -> JobRow:
    """Claim the job, finish some blocks, and postpone it."""
    with sessions.begin() as session:
        taken = ClaimRepository(session).claim(job_id, "worker-1")
        assert taken is not None
        for index in blocks:
            LeaseRepository(session).report_progress(
                job_id, taken.attempt, block=(index, 9, f"layers.{index}")
            )
        return LeaseRepository(session).postpone(job_id, taken.attempt, PROBLEM)


def wait(sessions: Sessions, job_id: str, seconds: float) -> None:
    """Set the end of a job's delay to so many seconds from now."""
    with sessions.begin() as session:
        when = now(timedelta(seconds=seconds))
        session.execute(update(Job).where(Job.id == job_id).values(not_before=when))


def is_free(sessions: Sessions, job_id: str) -> bool:
    """Return whether the job may start; all queries must agree."""
    with sessions() as session:
        answers = {
            QueueRepository(session).next_job(["gpu"]) == job_id,
            QueueRepository(session).has_runnable(["gpu"]),
            QueueRepository(session).runnable_counts() == {"gpu": 1},
            RecoveryRepository(session).unpushed(10) == [job_id],
            ClaimRepository(session).claim(job_id, "worker-2") is not None,
        }
        session.rollback()
    assert len(answers) == 1, "they do not agree"
    return answers.pop()


def test_a_postponed_job_is_claimed_once_its_delay_is_over(sessions: Sessions) -> None:
    job_id = make_job(sessions).id
    job = fail(sessions, job_id)
    assert (job.status, job.crashes) == (JobState.queued, 0)
    assert job.error == PROBLEM.model_dump(mode="json")
    assert not is_free(sessions, job_id)
    wait(sessions, job_id, -1)
    assert is_free(sessions, job_id)
    with sessions.begin() as session:
        taken = ClaimRepository(session).claim(job_id, "worker-2")
    assert taken is not None
    assert taken.error is None


def test_a_job_that_is_stopped_while_it_is_postponed_has_no_error(sessions: Sessions) -> None:
    job_id = make_job(sessions).id
    fail(sessions, job_id)
    with sessions.begin() as session:
        assert JobCommands(session).pause(job_id).error is None


def test_a_postponed_job_neither_waits_in_its_queue_nor_is_before_others(
    sessions: Sessions,
) -> None:
    job_id, other = make_job(sessions).id, make_job(sessions)
    fail(sessions, job_id)
    with sessions() as session:
        queues, job = QueueRepository(session), get_job(session, job_id)
        assert [queues.position(job), queues.near_position(job)] == [None, None]
        assert [queues.position(other), queues.near_position(other)] == [1, 1]
        depth = queues.depths()["gpu"]
        assert (depth.queued, depth.postponed) == (1, 1)
        assert depth.oldest_queued_at == other.created_at
    wait(sessions, job_id, -1)
    with sessions() as session:
        queues, job = QueueRepository(session), get_job(session, job_id)
        assert [queues.position(job), queues.position(other)] == [1, 2]
        depth = queues.depths()["gpu"]
        assert (depth.queued, depth.postponed) == (2, 0)


def test_a_queue_of_postponed_jobs_has_no_wait(sessions: Sessions) -> None:
    fail(sessions, make_job(sessions).id)
    with sessions() as session:
        depth = QueueRepository(session).depths()["gpu"]
    assert (depth.queued, depth.postponed) == (0, 1)
    assert (depth.oldest_queued_at, depth.oldest_age_s) == (None, None)


def test_a_job_does_not_wait_for_a_clock_that_was_set_back(sessions: Sessions) -> None:
    job_id = make_job(sessions).id
    fail(sessions, job_id)
    wait(sessions, job_id, RETRIES.longest.total_seconds() + 60)
    assert is_free(sessions, job_id)


def test_a_job_waits_as_long_as_its_request_asks(sessions: Sessions) -> None:
    job_id = make_job(sessions).id
    for seconds, free in ((7200, False), (-1, True)):  # longer than any delay before a retry
        wait(sessions, job_id, seconds)
        assert is_free(sessions, job_id) is free


@pytest.mark.parametrize("has_failed", [False, True])
@pytest.mark.parametrize("commands", [("pause", "resume"), ("cancel", "retry")])
def test_a_job_that_is_queued_again_waits_for_its_start_time_but_not_after_a_failure(
    commands: tuple[str, str], has_failed: bool, sessions: Sessions
) -> None:
    job_id = make_job(sessions).id
    if has_failed:
        fail(sessions, job_id)
    else:
        wait(sessions, job_id, 7200)
    with sessions.begin() as session:
        for command in commands:
            job = getattr(JobCommands(session), command)(job_id)
    assert (job.status, job.not_before is None) == (JobState.queued, has_failed)
    assert is_free(sessions, job_id) is has_failed


def test_each_delay_is_longer_and_the_last_failure_is_final(sessions: Sessions) -> None:
    job_id, waited = make_job(sessions).id, []
    for _ in RETRIES.delays:
        job = fail(sessions, job_id)
        assert job.not_before is not None
        waited.append(round((job.not_before - job.updated_at).total_seconds()))
        wait(sessions, job_id, 0)
    assert waited == [delay.total_seconds() for delay in RETRIES.delays]
    job = fail(sessions, job_id)
    assert (job.status, (job.error or {}).get("code")) == (JobState.failed, "hub_unreachable")
    with sessions.begin() as session:
        again = JobCommands(session).retry(job_id)
    assert (again.retries, again.not_before) == (0, None)


def test_a_finished_block_resets_the_delays(sessions: Sessions) -> None:
    job_id = make_job(sessions).id
    for _ in range(3):
        fail(sessions, job_id)
        wait(sessions, job_id, 0)
    assert fail(sessions, job_id, 0).retries == 1


def test_the_event_of_a_postponed_job_has_the_reason_and_the_end_of_the_delay(
    sessions: Sessions,
) -> None:
    job = fail(sessions, make_job(sessions).id)
    with sessions() as session:
        event = EventRepository(session).events(job.id)[-1]
    assert job.not_before is not None
    assert event.data == {
        "reason": "postponed",
        "error": PROBLEM.model_dump(mode="json"),
        "retries": 1,
        "not_before": job.not_before.isoformat(),
    }


@pytest.mark.parametrize(
    ("asked", "becomes"),
    [(JobState.pausing, JobState.paused), (JobState.cancelling, JobState.cancelled)],
)
def test_a_cancel_or_pause_takes_precedence_over_a_retry(
    asked: JobState, becomes: JobState, sessions: Sessions
) -> None:
    job_id = make_job(sessions).id
    with sessions.begin() as session:
        ClaimRepository(session).claim(job_id, "worker-1")
        move(session, job_id, asked)
        assert LeaseRepository(session).postpone(job_id, 1, PROBLEM).status is becomes


def test_an_attempt_that_was_replaced_postpones_nothing(sessions: Sessions) -> None:
    job_id = make_job(sessions).id
    with sessions.begin() as session:
        ClaimRepository(session).claim(job_id, "worker-1")
        with pytest.raises(LeaseLostError):
            LeaseRepository(session).postpone(job_id, 2, PROBLEM)


def test_a_resume_ends_the_delay(sessions: Sessions) -> None:
    job_id = make_job(sessions).id
    fail(sessions, job_id)
    with sessions.begin() as session:
        commands = JobCommands(session)
        commands.pause(job_id)
        commands.resume(job_id)
    assert is_free(sessions, job_id)


def test_the_next_point_of_a_sweep_runs_while_one_is_delayed(sessions: Sessions) -> None:
    with sessions.begin() as session:
        session.add(Sweep(id="swp_1", labels={}, varied=[], max_parallel=1))
    points = [make_job(sessions, sweep_id="swp_1", sweep_point=point).id for point in range(2)]
    fail(sessions, points[0])
    with sessions.begin() as session:
        assert QueueRepository(session).next_job(["gpu"]) == points[1]
        assert ClaimRepository(session).claim(points[1], "worker-1") is not None
    wait(sessions, points[0], 0)
    with sessions() as session:
        assert QueueRepository(session).next_job(["gpu"]) is None
        assert session.scalar(select(Job.status).where(Job.id == points[0])) == JobState.queued
