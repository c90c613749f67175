from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from db.core.session import Sessions
from db.core.states import HELD, JobState
from db.jobs.commands import JobCommands
from db.jobs.held_time import held_time, held_times
from db.tables.jobs import Job
from db.tables.past_attempts import PastAttempt
from tests.db.jobs.held import NOON, at, held_job


def test_held_time_matches_a_loop_over_minutes() -> None:
    changes = [
        (JobState.queued, -50.0),
        (JobState.running, -40.0),  # partly before the window
        (JobState.queued, -20.0),  # a yield
        (JobState.running, -10.0),
        (JobState.running, -9.0),  # another attempt, taken over
        (JobState.pausing, -8.0),
        (JobState.paused, -7.0),
        (JobState.queued, -6.0),
        (JobState.running, -2.0),  # still
    ]
    history = [(NOON + timedelta(minutes=at), status) for status, at in changes]
    since, until = NOON - timedelta(minutes=30), NOON
    minutes = 0
    for minute in range(-30, 0):
        latest = [status for status, at in changes if at <= minute][-1]
        minutes += latest in HELD
    assert held_time(history, since, until) == timedelta(minutes=minutes)
    assert minutes == 10 + 3 + 2


def test_a_job_that_reports_nothing_is_held_until_now(sessions: Sessions) -> None:
    job = held_job(sessions, (at(-1), None))
    with sessions() as session:
        since, until = datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)
        assert held_times(session, since, until) == {job.id: until - since}


def test_the_times_of_a_deleted_job_and_of_its_second_attempt_are_kept(
    sessions: Sessions,
) -> None:
    job = held_job(sessions, (at(0), at(2)), (at(3), at(3.5)), created_by="key_a", hourly_price=4.0)
    with sessions.begin() as session:
        before = held_times(session, at(1), at(9), Job.id == job.id)[job.id]
        JobCommands(session).delete(job.id)
    with sessions() as session:
        kept = session.scalars(select(PastAttempt).order_by(PastAttempt.number)).all()
    times = [row.ended_at - max(row.started_at, at(1)) for row in kept]
    assert times == [timedelta(hours=1), timedelta(hours=0.5)]
    assert sum(times, start=timedelta(0)) == before
    row = kept[0]
    assert (row.created_by, row.method, row.hourly_price) == ("key_a", "zpruner", 4.0)
