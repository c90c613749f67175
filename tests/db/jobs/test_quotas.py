from datetime import timedelta

import pytest
from sqlalchemy import event, update
from sqlalchemy.orm import Session

from db.access.keys import Quotas
from db.core.access_errors import QuotaExceededError
from db.core.clock import now
from db.core.session import Sessions
from db.core.states import JobState
from db.jobs.commands import JobCommands
from db.jobs.quotas import QuotaRepository, Usage
from db.jobs.repository import JobRepository, NewJob
from db.jobs.sweeps import Point, SweepRepository
from db.scheduling.claims import ClaimRepository
from db.scheduling.leases import LeaseRepository
from db.tables.artifacts import Artifact
from db.tables.jobs import JobEvent
from tests.db.jobs.races import race
from tests.factories import make_job, make_key, make_spec


def usage(sessions: Sessions, key_id: str) -> Usage:
    with sessions() as session:
        return QuotaRepository(session).usage(key_id)


def test_usage_is_that_of_the_keys_own_jobs(sessions: Sessions) -> None:
    key, _ = make_key(sessions)
    other, _ = make_key(sessions)
    states = [JobState.queued, JobState.running, JobState.paused, JobState.failed]
    jobs = [make_job(sessions, status=status, created_by=key.id) for status in states]
    make_job(sessions, created_by=other.id)
    make_job(sessions)
    with sessions.begin() as session:
        for number, job in enumerate(jobs[2:]):
            session.add(
                Artifact(
                    job_id=job.id,
                    attempt=1,
                    name=str(number),
                    size_bytes=2**40,
                    sha256="",
                    media_type="",
                )
            )
    assert usage(sessions, key.id) == Usage(3, 0.0, 2**41, 0.0)
    assert usage(sessions, other.id) == Usage(1, 0.0, 0, 0.0)


def test_gpu_hours_count_the_time_that_workers_held_the_keys_jobs(sessions: Sessions) -> None:
    key, _ = make_key(sessions)
    job = make_job(sessions, created_by=key.id)
    with sessions.begin() as session:
        claimed = ClaimRepository(session).claim(job.id, "gpu@test")
        assert claimed is not None
        LeaseRepository(session).release(job.id, claimed.attempt)
        ClaimRepository(session).claim(job.id, "gpu@test")
        for seq, ago in ((2, 5.0), (3, 4.0), (4, 0.5)):
            moved = update(JobEvent).where(JobEvent.job_id == job.id, JobEvent.seq == seq)
            session.execute(moved.values(at=now(-timedelta(hours=ago))))
    assert usage(sessions, key.id).gpu_hours == pytest.approx(1.5, abs=0.01)


@pytest.mark.parametrize(
    ("quotas", "named"),
    [
        (Quotas(jobs_in_flight=1), "jobs_in_flight"),
        (Quotas(gpu_hours=0.0), "gpu_hours"),
        (Quotas(artifact_bytes=0), "artifact_bytes"),
    ],
)
def test_a_quota_that_is_used_up_refuses_the_next_job(
    sessions: Sessions, quotas: Quotas, named: str
) -> None:
    key, _ = make_key(sessions, name="Ada", quotas=quotas)
    make_job(sessions, created_by=key.id)
    with sessions.begin() as session, pytest.raises(QuotaExceededError, match="key Ada") as over:
        JobRepository(session).add(NewJob(make_spec(), created_by=key.id))
    assert over.value.quota == named
    assert str(over.value.allowed) in str(over.value)
    with sessions.begin() as session:
        JobRepository(session).add(NewJob(make_spec()))


def test_concurrent_requests_get_no_more_jobs_than_the_quota_allows(
    sessions: Sessions,
) -> None:
    key, _ = make_key(sessions, quotas=Quotas(jobs_in_flight=2))

    def submit(session: Session) -> str:
        return JobRepository(session).add(NewJob(make_spec(), created_by=key.id)).id

    answers = race(sessions, *[submit] * 6, refused=QuotaExceededError)
    assert len([answer for answer in answers if isinstance(answer, str)]) == 2
    assert usage(sessions, key.id).jobs_in_flight == 2


def test_usage_is_computed_once_for_all_points_of_a_sweep(sessions: Sessions) -> None:
    quotas = Quotas(jobs_in_flight=6, gpu_hours=1000.0, artifact_bytes=2**50)
    key, _ = make_key(sessions, name="Ada", quotas=quotas)
    make_job(sessions, created_by=key.id)
    statements: list[str] = []
    event.listen(
        sessions.kw["bind"], "before_cursor_execute", lambda *said: statements.append(said[2])
    )

    def sweep(points: int) -> None:
        with sessions.begin() as session:
            common = NewJob(make_spec(), created_by=key.id)
            SweepRepository(session).add([Point({}, make_spec())] * points, common)

    sweep(5)
    assert len([one for one in statements if "sum(artifacts.size_bytes)" in one]) == 1
    assert len([one for one in statements if "FROM job_events JOIN jobs" in one]) == 1
    assert usage(sessions, key.id).jobs_in_flight == 6
    with sessions.begin() as session:
        job = JobRepository(session).page()[0]
        JobCommands(session).cancel(job.id)
    with pytest.raises(QuotaExceededError, match=r"5 of its 6 .* request is for 2 jobs"):
        sweep(2)
    assert usage(sessions, key.id).jobs_in_flight == 5
    sweep(1)
