import pytest
from sqlalchemy import delete
from sqlalchemy.orm import Session

from db.core.errors import IdempotencyKeyTakenError
from db.core.session import Sessions
from db.events.job_events import EventRepository
from db.jobs.idempotency import IdempotencyRepository
from db.jobs.repository import JobRepository, NewJob
from db.tables.jobs import Job
from tests.db.jobs.races import race
from tests.factories import make_job, make_spec


def submit(session: Session) -> str:
    job = JobRepository(session).add(NewJob(make_spec()))
    IdempotencyRepository(session).save("key", "digest", job.id, 201, {"id": job.id})
    return job.id


def test_a_response_is_stored_as_long_as_its_job(sessions: Sessions) -> None:
    with sessions.begin() as session:
        job_id = submit(session)
    with sessions.begin() as session:
        kept = IdempotencyRepository(session).get("key")
        assert kept is not None
        assert (kept.request_digest, kept.status, kept.body) == ("digest", 201, {"id": job_id})
        assert IdempotencyRepository(session).get("other") is None
        session.execute(delete(Job))
    with sessions() as session:
        assert IdempotencyRepository(session).get("key") is None


def test_an_idempotency_key_belongs_to_its_client(sessions: Sessions) -> None:
    job = make_job(sessions)
    callers = (None, "key_a", "key_b")
    for number, caller in enumerate(callers):
        with sessions.begin() as session:
            IdempotencyRepository(session).save("key", str(number), job.id, 201, {}, caller)
    with sessions() as session:
        kept = [IdempotencyRepository(session).get("key", caller) for caller in callers]
        assert [one and one.request_digest for one in kept] == ["0", "1", "2"]
        assert IdempotencyRepository(session).get("key", "key_c") is None
    with sessions.begin() as session, pytest.raises(IdempotencyKeyTakenError):
        IdempotencyRepository(session).save("key", "3", job.id, 201, {}, "key_a")


def test_of_many_requests_with_one_key_one_creates_a_job(sessions: Sessions) -> None:
    other = make_job(sessions)
    answers = race(sessions, *[submit] * 6, refused=IdempotencyKeyTakenError)
    (won,) = [answer for answer in answers if isinstance(answer, str)]
    with sessions() as session:
        assert [job.id for job in JobRepository(session).page()] == [won, other.id]
        assert [event.seq for event in EventRepository(session).events(won)] == [1]
