from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import select
from sqlalchemy.exc import StatementError

from db.core.clock import now
from db.core.session import Sessions
from db.tables.jobs import Job
from tests.factories import make_job

ROUNDING = timedelta(milliseconds=2)
"""SQLite counts milliseconds."""


def test_the_database_s_clock_agrees_with_this_machine_s(sessions: Sessions) -> None:
    before = datetime.now(UTC)
    with sessions() as session:
        read = session.scalar(select(now()))
    assert read is not None
    assert before - ROUNDING <= read <= datetime.now(UTC) + ROUNDING


def test_the_clock_advances_within_a_transaction(sessions: Sessions) -> None:
    with sessions.begin() as session:
        first, later = session.scalar(select(now())), session.scalar(select(now()))
        while first == later:
            later = session.scalar(select(now()))
    assert first is not None
    assert later is not None
    assert first < later


@pytest.mark.parametrize("seconds", [60, -60, 0.5, 86_400])
def test_the_current_time_can_have_an_offset(seconds: float, sessions: Sessions) -> None:
    offset = timedelta(seconds=seconds)
    with sessions() as session:
        before, shifted, after = session.execute(select(now(), now(offset), now())).one()
    assert before - ROUNDING <= shifted - offset <= after + ROUNDING


def test_a_stored_time_of_any_zone_compares_with_the_database_s_time(sessions: Sessions) -> None:
    job = make_job(sessions)
    elsewhere = timezone(timedelta(hours=5, minutes=30))
    for shift, is_past in ((-1, True), (1, False)):
        with sessions.begin() as session:
            moment = datetime.now(elsewhere) + timedelta(hours=shift)
            session.merge(Job(id=job.id, lease_until=moment))
            session.flush()
            past = session.scalar(select(Job.lease_until < now()).where(Job.id == job.id))
            assert bool(past) is is_past


def test_a_time_without_a_zone_is_rejected(sessions: Sessions) -> None:
    job = make_job(sessions)
    with pytest.raises(StatementError, match="no time zone"), sessions.begin() as session:
        session.merge(Job(id=job.id, lease_until=datetime(2026, 1, 1)))  # noqa: DTZ001 - rejected
