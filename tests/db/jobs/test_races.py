"""Races between threads and between processes: of each, exactly one side wins."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import pytest
from sqlalchemy.orm import Session

from db.core.errors import JobError
from db.core.session import Sessions, open_sessions
from db.core.states import JobState
from db.events.job_events import EventRepository
from db.files.artifacts import ArtifactRepository
from db.files.sealed_folder import NewArtifact
from db.jobs.commands import JobCommands
from db.jobs.repository import JobRepository
from db.scheduling.claims import ClaimRepository
from db.scheduling.leases import LeaseRepository
from db.scheduling.recovery import RecoveryRepository
from tests.db.jobs.races import Act, race
from tests.factories import expire_lease, make_job, make_problem

RACES = 50


def claim(job_id: str, worker: str) -> Act:
    return lambda session: ClaimRepository(session).claim(job_id, worker)


def cancel(job_id: str) -> Act:
    return lambda session: JobCommands(session).cancel(job_id)


def succeed(job_id: str, *files: NewArtifact) -> Act:
    return lambda session: LeaseRepository(session).succeed(job_id, 1, {}, files)


def fail(job_id: str) -> Act:
    return lambda session: LeaseRepository(session).fail(job_id, 1, make_problem())


def report_progress(job_id: str, index: int) -> Act:
    block = (index, 40, "block")
    return lambda session: LeaseRepository(session).report_progress(job_id, 1, block=block)


def release_expired(session: Session) -> Any:
    return RecoveryRepository(session).release_expired()


def claim_all(database_url: str, job_ids: list[str], worker: str) -> list[str]:
    """Claim what can be claimed; runs in a process of its own."""
    sessions = open_sessions(database_url)
    won = []
    for job_id in job_ids:
        with sessions.begin() as session:
            if ClaimRepository(session).claim(job_id, worker) is not None:
                won.append(job_id)
    sessions.kw["bind"].dispose()
    return won


def test_of_many_processes_one_gets_each_job(sessions: Sessions, database_url: str) -> None:
    job_ids = [make_job(sessions).id for _ in range(RACES)]
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(3, mp_context=spawn) as pool:
        urls, ids, workers = [database_url] * 3, [job_ids] * 3, ["a", "b", "c"]
        won = [job_id for each in pool.map(claim_all, urls, ids, workers) for job_id in each]
    assert sorted(won) == job_ids
    with sessions() as session:
        assert {job.attempt for job in JobRepository(session).page(limit=RACES)} == {1}


def test_of_many_threads_one_gets_a_job(sessions: Sessions) -> None:
    for _ in range(RACES):
        job = make_job(sessions)
        jobs = race(sessions, *[claim(job.id, "worker")] * 4)
        assert sum(one is not None for one in jobs) == 1


def test_of_many_threads_one_takes_over_a_lost_job(sessions: Sessions) -> None:
    for _ in range(RACES):
        job = make_job(sessions, status=JobState.running, attempt=1)
        expire_lease(sessions, job.id)
        race(
            sessions,
            claim(job.id, "worker-2"),
            claim(job.id, "worker-3"),
            release_expired,
            release_expired,
        )
        with sessions() as session:
            assert JobRepository(session).get(job.id).crashes == 1
            assert JobRepository(session).get(job.id).attempt <= 2
            events = EventRepository(session).events(job.id)
            assert [one.seq for one in events] == list(range(1, len(events) + 1))


def test_a_cancel_races_a_claim_and_no_cancelled_job_runs(sessions: Sessions) -> None:
    for _ in range(4 * RACES):
        job = make_job(sessions)
        claimed, _ = race(sessions, claim(job.id, "worker"), cancel(job.id))
        with sessions() as session:
            status = JobRepository(session).get(job.id).status
        assert status is (JobState.cancelled if claimed is None else JobState.cancelling)


def test_a_cancel_races_a_verdict_and_one_of_them_stands(sessions: Sessions) -> None:
    file = NewArtifact("report.json", 2, "0" * 64, "application/json")
    for _ in range(RACES):
        job = make_job(sessions, status=JobState.running, attempt=1)
        verdict, cancelled = race(sessions, succeed(job.id, file), cancel(job.id))
        with sessions() as session:
            status = JobRepository(session).get(job.id).status
            files = len(ArtifactRepository(session).of_job(job.id))
        assert isinstance(verdict, JobError) != isinstance(cancelled, JobError)
        won = not isinstance(verdict, JobError)
        assert (status, files) == ((JobState.succeeded, 1) if won else (JobState.cancelling, 0))


def test_many_writers_number_events_without_a_gap(sessions: Sessions) -> None:
    job = make_job(sessions, status=JobState.running, attempt=1)
    steps = [report_progress(job.id, index) for index in range(40)]
    for start in range(0, 40, 8):
        race(sessions, *steps[start : start + 8])
    with sessions() as session:
        events = EventRepository(session)
        assert [event.seq for event in events.events(job.id)] == list(range(1, 42))
        assert [event.seq for event in events.events(job.id, after=3, limit=2)] == [4, 5]
        assert JobRepository(session).get(job.id).version == job.version + 40


def test_of_two_verdicts_one_is_kept(sessions: Sessions) -> None:
    for _ in range(RACES):
        job = make_job(sessions, status=JobState.running, attempt=1)
        verdicts = race(
            sessions,
            succeed(job.id),
            fail(job.id),
        )
        assert sum(isinstance(verdict, JobError) for verdict in verdicts) == 1
        with sessions() as session:
            final = [one for one in EventRepository(session).events(job.id) if one.status.is_final]
        assert len(final) == 1


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_two_relays_share_the_outbox_without_waiting(sessions: Sessions) -> None:
    job_ids = [make_job(sessions).id for _ in range(4)]
    with sessions.begin() as one, sessions.begin() as other:
        assert RecoveryRepository(one).unpushed(3) == job_ids[:3]
        assert RecoveryRepository(other).unpushed(3) == job_ids[3:]
