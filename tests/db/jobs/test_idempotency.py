import pytest
from sqlalchemy import delete

from db.core.errors import KeyTakenError
from db.core.session import Sessions
from db.jobs.repository import JobRepository
from db.tables.jobs import Job
from tests.db.jobs.test_races import race
from tests.factories import make_job, make_spec


def submit(jobs: JobRepository) -> str:
    job = jobs.add(make_spec())
    jobs.keep_answer("key", "digest", job.id, 201, {"id": job.id})
    return job.id


def test_an_answer_is_kept_as_long_as_its_job(sessions: Sessions) -> None:
    with sessions.begin() as session:
        job_id = submit(JobRepository(session))
    with sessions.begin() as session:
        kept = JobRepository(session).answer("key")
        assert kept is not None
        assert (kept.request_digest, kept.status, kept.body) == ("digest", 201, {"id": job_id})
        assert JobRepository(session).answer("other") is None
        session.execute(delete(Job))
    with sessions() as session:
        assert JobRepository(session).answer("key") is None


def test_a_key_is_its_callers_own(sessions: Sessions) -> None:
    job = make_job(sessions)
    callers = (None, "key_a", "key_b")
    for number, caller in enumerate(callers):
        with sessions.begin() as session:
            JobRepository(session).keep_answer("key", str(number), job.id, 201, {}, caller)
    with sessions() as session:
        kept = [JobRepository(session).answer("key", caller) for caller in callers]
        assert [one and one.request_digest for one in kept] == ["0", "1", "2"]
        assert JobRepository(session).answer("key", "key_c") is None
    with sessions.begin() as session, pytest.raises(KeyTakenError):
        JobRepository(session).keep_answer("key", "3", job.id, 201, {}, "key_a")


def test_of_many_requests_with_one_key_one_makes_a_job(sessions: Sessions) -> None:
    other = make_job(sessions)
    answers = race(sessions, *[submit] * 6, refused=KeyTakenError)
    (won,) = [answer for answer in answers if isinstance(answer, str)]
    with sessions() as session:
        jobs = JobRepository(session)
        assert [job.id for job in jobs.page()] == [won, other.id]
        assert [event.seq for event in jobs.events(won)] == [1]
