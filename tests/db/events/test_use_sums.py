"""The daily sums of use, on both databases, against sums that are made of the rows again."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, select, text
from sqlalchemy.orm import Session

from db.core.session import Sessions
from db.core.states import JobState
from db.events.use_sums import correction
from db.jobs.commands import JobCommands
from db.jobs.costs import CostRepository
from db.jobs.trials import TrialRepository
from db.jobs.use import Use, use_of
from db.scheduling.claims import ClaimRepository
from db.scheduling.leases import LeaseRepository
from db.scheduling.recovery import RecoveryRepository
from db.spec.trials import TrialRequest
from db.tables.daily_use import NO_DAY, DailyUse
from db.use_sums import correct_sums
from tests.db.jobs.held import at, held_job
from tests.db.jobs.races import race
from tests.factories import expire_lease, make_job, make_problem

DAY = timedelta(days=1)
MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
PRICED: dict[str, Any] = {"created_by": "key_a", "hourly_price": 4.0, "currency": "EUR"}


def lacking(sessions: Sessions) -> dict[Any, int]:
    with sessions() as session:
        return correction(session.connection())


def claim(session: Session, job_id: str) -> int:
    job = ClaimRepository(session).claim(job_id, "gpu@test")
    assert job is not None
    attempt: int = job.attempt
    return attempt


def stored(sessions: Sessions) -> int:
    """Return how long all jobs were held, of the sums by key."""
    with sessions() as session:
        return sum(session.scalars(select(DailyUse.held_us).where(DailyUse.label == "")))


def test_every_end_of_an_attempt_and_every_later_change_is_counted(sessions: Sessions) -> None:
    job_id = make_job(sessions, labels={"team": "nlp", "run": 7}, **PRICED).id
    ends: tuple[Callable[[LeaseRepository, int], object], ...] = (
        lambda leases, attempt: leases.release(job_id, attempt),
        lambda leases, attempt: leases.postpone(job_id, attempt, make_problem(retryable=True)),
        lambda leases, attempt: leases.fail(job_id, attempt, make_problem()),
    )
    for end in ends:
        with sessions.begin() as session:
            attempt = claim(session, job_id)
        before = stored(sessions)
        with sessions.begin() as session:
            end(LeaseRepository(session), attempt)
            session.execute(text("UPDATE jobs SET not_before = NULL"))
        assert lacking(sessions) == {}
        assert stored(sessions) >= before
    commands: tuple[Callable[[JobCommands], object], ...] = (
        lambda jobs: jobs.describe(job_id, name=None, labels={"team": "vision"}),
        lambda jobs: jobs.retry(job_id),
        lambda jobs: jobs.cancel(job_id),
        lambda jobs: jobs.delete(job_id),
    )
    for command in commands:
        with sessions.begin() as session:
            command(JobCommands(session))
        assert lacking(sessions) == {}
    assert stored(sessions) > 0


def test_lost_workers_and_running_trials_of_a_deleted_job_are_counted(sessions: Sessions) -> None:
    lost, tried = make_job(sessions, **PRICED).id, make_job(sessions, status=JobState.succeeded)
    with sessions.begin() as session:
        claim(session, lost)
        trial = TrialRepository(session).add(tried, TrialRequest(prompt="a"), 9)[1].id
        claim(session, trial)
    expire_lease(sessions, lost)
    with sessions.begin() as session:
        assert len(RecoveryRepository(session).release_expired()) == 1
    assert lacking(sessions) == {}
    assert stored(sessions) > 0
    with sessions.begin() as session:
        JobCommands(session).delete(tried.id)
    assert lacking(sessions) == {}


def test_attempts_that_end_at_once_are_all_counted(sessions: Sessions) -> None:
    held, ids = dict[str, int](), [make_job(sessions, **PRICED).id for _ in range(6)]
    for job_id in ids:
        with sessions.begin() as session:
            held[job_id] = claim(session, job_id)

    def end(job_id: str) -> Any:
        return lambda session: LeaseRepository(session).release(job_id, held[job_id]).id

    answers = race(sessions, *map(end, ids), refused=AssertionError)
    assert sorted(map(str, answers)) == sorted(ids)
    assert lacking(sessions) == {}
    assert stored(sessions) > 0


def test_a_transaction_that_is_undone_counts_nothing(sessions: Sessions) -> None:
    job_id = make_job(sessions).id
    with sessions() as session:
        with session.begin():
            attempt = claim(session, job_id)
        session.begin()
        LeaseRepository(session).release(job_id, attempt)
        session.rollback()
        with session.begin():
            session.execute(text("UPDATE jobs SET name = 'other'"))
    assert stored(sessions) == 0
    assert lacking(sessions) == {}


def day(sessions: Sessions, first: int, days: int = 1) -> Use:
    with sessions() as session:
        return use_of(session, MONDAY + first * DAY, MONDAY + (first + days) * DAY).total


def test_a_period_counts_each_job_once_however_many_days_it_was_held_on(
    sessions: Sessions,
) -> None:
    held_job(sessions, (at(-2), at(14)), (at(60), at(60.5)), hourly_price=2.0)  # at noon of Monday
    held_job(sessions, (at(1), at(2)))
    uses = [day(sessions, first) for first in range(4)]
    assert [use.jobs for use in uses] == [2, 1, 0, 1]
    hours = [use.held / timedelta(hours=1) for use in uses]
    assert hours == [14 + 1, 2, 0, 0.5]
    assert [use.failed for use in uses] == [1, 0, 0, 1]
    assert [(day(sessions, *period).jobs) for period in ((0, 2), (1, 2), (1, 3), (0, 4))] == [
        *(2, 1, 1, 2)
    ]
    week = day(sessions, 0, 7)
    assert (week.jobs, week.failed) == (2, 2)
    assert week.cost == pytest.approx(2 * 16.5)
    with sessions() as session:
        days = {tuple(row) for row in session.execute(select(DailyUse.day, DailyUse.previous))}
    first = MONDAY.date()
    assert days == {
        (first, NO_DAY),
        (first + DAY, first),
        (first + 3 * DAY, first + DAY),
    }


def test_a_running_job_is_counted_until_now_with_its_earlier_attempts(sessions: Sessions) -> None:
    with sessions() as session:
        month = CostRepository(session).month()
    begin = month[0] - timedelta(hours=2)
    held_job(sessions, (begin, begin + timedelta(hours=1)), (month[0], None), **PRICED)
    with sessions() as session:
        spent = CostRepository(session).spent("key_a", *month)
        use = use_of(session, month[0] - DAY, month[1])
    hours = (datetime.now(UTC) - month[0]) / timedelta(hours=1)
    assert spent == pytest.approx(4 * hours, rel=0.01)
    assert use.total.jobs == use.keys["key_a"].jobs == 1
    assert use.total.held / timedelta(hours=1) == pytest.approx(1 + hours, rel=0.01)
    assert use.currencies == {"EUR"}


def test_sums_that_were_lost_are_made_again(sessions: Sessions, database_url: str) -> None:
    deleted = held_job(sessions, (at(-2), at(14)), **PRICED)
    held_job(sessions, (at(1), at(2)), (at(3), None), labels={"team": "nlp"})
    with sessions.begin() as session:
        JobCommands(session).delete(deleted.id)
    before = day(sessions, 0, 2)
    with sessions.begin() as session:
        session.execute(delete(DailyUse).where(DailyUse.day == date(2026, 1, 5)))
    assert day(sessions, 0, 2) != before
    assert correct_sums(database_url) == 1
    assert day(sessions, 0, 2).jobs == before.jobs == 2
    assert lacking(sessions) == {}
    assert correct_sums(database_url) == 0
