from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from db.access.keys import KeyRepository, Quotas
from db.core.access_errors import BudgetExceededError
from db.core.clock import now
from db.core.errors import SpecRefusedError
from db.core.session import Sessions
from db.core.states import JobState
from db.jobs.commands import JobCommands
from db.jobs.costs import CostRepository, month_of
from db.jobs.estimates import EstimateRepository
from db.jobs.repository import JobRepository, NewJob
from db.jobs.sweeps import Point, SweepRepository
from db.spec.prices import Price, Prices
from tests.db.jobs.held import at, held_job
from tests.factories import make_key, make_spec

PRICE = Price(4.0, "EUR")
JANUARY = month_of(at(0))


def test_a_month_ends_where_the_next_one_begins() -> None:
    assert month_of(datetime(2026, 2, 28, 23, 59, tzinfo=UTC)) == (
        datetime(2026, 2, 1, tzinfo=UTC),
        datetime(2026, 3, 1, tzinfo=UTC),
    )
    assert month_of(datetime(2026, 12, 1, tzinfo=UTC))[1] == datetime(2027, 1, 1, tzinfo=UTC)


def test_a_queue_without_a_price_of_its_own_has_the_default() -> None:
    prices = Prices({"default": 2.5, "h100": 4.0}, "EUR")
    assert (prices.of("h100"), prices.of("gpu")) == (PRICE, Price(2.5, "EUR"))
    assert Prices({"h100": 4.0}, "EUR").of("gpu") is None


def test_a_key_has_spent_what_its_failed_and_deleted_jobs_cost_in_the_month(
    sessions: Sessions,
) -> None:
    of_key: dict[str, Any] = {"created_by": "key_a", "hourly_price": 4.0}
    begin = JANUARY[0]
    held_job(sessions, (begin - timedelta(hours=1), begin + timedelta(hours=0.5)), **of_key)
    held_job(sessions, (at(0), at(1)), **of_key | {"hourly_price": 1.0})
    deleted = held_job(sessions, (at(2), at(3)), **of_key)
    held_job(sessions, (at(0), at(9)), **of_key | {"created_by": "key_b"})
    held_job(sessions, (at(0), at(9)), **of_key | {"hourly_price": None})
    with sessions.begin() as session:
        JobCommands(session).delete(deleted.id)
    with sessions() as session:
        assert CostRepository(session).spent("key_a", *JANUARY) == pytest.approx(0.5 * 4 + 1 + 4)


def submit(sessions: Sessions, key_id: str, **fields: Any) -> str:
    with sessions.begin() as session:
        new = NewJob(make_spec(), created_by=key_id, price=PRICE, **fields)
        return JobRepository(session).add(new).id


def test_unfinished_jobs_reserve_what_they_will_likely_cost(sessions: Sessions) -> None:
    key, _ = make_key(sessions, name="Ada", quotas=Quotas(monthly_cost=10.0))
    first = submit(sessions, key.id, likely_cost=4.0)
    submit(sessions, key.id, max_cost=5.0)
    with pytest.raises(BudgetExceededError) as refused:
        submit(sessions, key.id, likely_cost=1.5)
    text = str(refused.value)
    with sessions() as session:
        month_end = CostRepository(session).month()[1]
    assert "key Ada has a budget of 10.00 a month (monthly_cost)" in text
    assert "0.00 are spent, 9.00 are reserved" in text
    assert "1.00 are left, and the request likely costs up to 1.50" in text
    assert f"{month_end:%F %R} UTC" in text
    submit(sessions, key.id, likely_cost=1.0)
    with sessions.begin() as session:
        JobCommands(session).cancel(first)
    submit(sessions, key.id, likely_cost=4.0)


def test_what_a_running_job_has_cost_is_no_longer_reserved(sessions: Sessions) -> None:
    key, _ = make_key(sessions)
    with sessions() as session:
        present = session.scalars(select(now())).one()
    of_key = {"created_by": key.id, "hourly_price": 4.0, "likely_cost": 6.0}
    held_job(sessions, (present - timedelta(hours=1), None), **of_key)
    with sessions() as session:
        assert CostRepository(session).reserved(key.id) == pytest.approx(2.0, abs=0.1)


def test_a_spent_budget_refuses_a_job_of_unknown_cost_until_it_is_raised(
    sessions: Sessions,
) -> None:
    key, _ = make_key(sessions, quotas=Quotas(monthly_cost=0.0))
    with pytest.raises(BudgetExceededError):
        submit(sessions, key.id)
    with sessions.begin() as session:
        KeyRepository(session).limit(key.id, {"monthly_cost": 1.0})
    submit(sessions, key.id)


def patch_bound(sessions: Sessions, job_id: str, max_cost: float | None) -> None:
    with sessions.begin() as session:
        JobCommands(session).describe(job_id, name=None, labels={}, max_cost=max_cost)


def test_what_is_reserved_follows_the_bound_of_a_job_without_an_estimate(
    sessions: Sessions,
) -> None:
    key, _ = make_key(sessions)
    bounded, unbounded = submit(sessions, key.id, max_cost=5.0), submit(sessions, key.id)
    submitted = submit(sessions, key.id, max_cost=9.0, likely_cost=2.0)
    for job_id, max_cost in ((bounded, 1000.0), (unbounded, 7.0), (submitted, 20.0)):
        patch_bound(sessions, job_id, max_cost)
    with sessions() as session:
        assert CostRepository(session).reserved(key.id) == 1000.0 + 7.0 + 2.0
    for job_id in (bounded, unbounded, submitted):
        patch_bound(sessions, job_id, None)
    with sessions() as session:
        assert CostRepository(session).reserved(key.id) == 2.0


@pytest.mark.parametrize("first", [50.0, None])
def test_a_bound_that_is_lowered_while_the_job_waits_for_its_estimate_is_kept(
    sessions: Sessions, first: float | None
) -> None:
    key, _ = make_key(sessions)
    with sessions.begin() as session:
        asked = EstimateRepository(session).request(make_spec()).id
    job_id = submit(sessions, key.id, max_cost=first)
    patch_bound(sessions, job_id, 1.0)
    with sessions.begin() as session:
        seconds = {"p50": 3600, "p90": 7200}
        EstimateRepository(session).complete(asked, {"seconds": seconds})
    with sessions() as session:
        job = JobRepository(session).get(job_id)
    assert job.status == JobState.failed
    assert job.error is not None
    assert "up to 8.00 EUR" in job.error["detail"]


def test_a_sweep_needs_a_budget_for_all_its_points(sessions: Sessions) -> None:
    key, _ = make_key(sessions, quotas=Quotas(monthly_cost=10.0))
    common = NewJob(make_spec(), created_by=key.id, price=PRICE)
    points = [Point({}, make_spec(), likely_cost=2.0)] * 6
    with sessions.begin() as session, pytest.raises(BudgetExceededError, match=r"up to 12\.00"):
        SweepRepository(session).add(points, common)
    with sessions.begin() as session:
        sweep = SweepRepository(session).add(points[:5], common)
        jobs = SweepRepository(session).jobs(sweep.id)
    assert [(job.likely_cost, job.price) for job in jobs] == [(2.0, PRICE)] * 5


def test_a_job_may_cost_less_than_its_bound_and_no_more(sessions: Sessions) -> None:
    job = held_job(sessions, (at(0), at(1)), hourly_price=4.0, currency="EUR", max_cost=4.5)
    with sessions() as session:
        CostRepository(session).require_left(job)
    job.max_cost = 4.0
    assert job.status is JobState.failed
    with sessions() as session, pytest.raises(SpecRefusedError, match=r"has cost 4\.00 EUR"):
        CostRepository(session).require_left(job)
