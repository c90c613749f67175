"""Races between threads and between processes: of each, exactly one side wins."""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from operator import methodcaller
from threading import Barrier
from typing import Any

import pytest

from db.core.errors import JobError
from db.core.session import Sessions, open_sessions
from db.core.states import JobState
from db.files.artifact_store import NewArtifact
from db.jobs.repository import JobRepository
from tests.factories import expire_lease, make_job, make_problem

RACES = 50


def race(
    sessions: Sessions,
    *verbs: Callable[[JobRepository], Any],
    refused: type[Exception] = JobError,
) -> list[Any]:
    """Let every verb start at the same moment, each in its own transaction; return the answers."""
    start = Barrier(len(verbs))

    def run(verb: Callable[[JobRepository], Any]) -> Any:
        start.wait()
        try:
            with sessions.begin() as session:
                return verb(JobRepository(session))
        except refused as error:
            return error

    with ThreadPoolExecutor(len(verbs)) as pool:
        return list(pool.map(run, verbs))


def claim_all(database_url: str, job_ids: list[str], worker: str) -> list[str]:
    """Claim what can be claimed; runs in a process of its own."""
    sessions = open_sessions(database_url)
    won = []
    for job_id in job_ids:
        with sessions.begin() as session:
            if JobRepository(session).claim(job_id, worker) is not None:
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
        claims = race(sessions, *[methodcaller("claim", job.id, "worker")] * 4)
        assert sum(claim is not None for claim in claims) == 1


def test_of_many_threads_one_takes_over_a_lost_job(sessions: Sessions) -> None:
    for _ in range(RACES):
        job = make_job(sessions, status=JobState.running, attempt=1)
        expire_lease(sessions, job.id)
        race(
            sessions,
            methodcaller("claim", job.id, "worker-2"),
            methodcaller("claim", job.id, "worker-3"),
            methodcaller("release_expired"),
            methodcaller("release_expired"),
        )
        with sessions() as session:
            jobs = JobRepository(session)
            assert jobs.get(job.id).crashes == 1
            assert jobs.get(job.id).attempt <= 2
            assert [one.seq for one in jobs.events(job.id)] == list(
                range(1, len(jobs.events(job.id)) + 1)
            )


def test_a_cancel_races_a_claim_and_no_cancelled_job_runs(sessions: Sessions) -> None:
    for _ in range(4 * RACES):
        job = make_job(sessions)
        claim, _cancel = race(
            sessions,
            methodcaller("claim", job.id, "worker"),
            methodcaller("cancel", job.id),
        )
        with sessions() as session:
            status = JobRepository(session).get(job.id).status
        assert status is (JobState.cancelled if claim is None else JobState.cancelling)


def test_a_cancel_races_a_verdict_and_one_of_them_stands(sessions: Sessions) -> None:
    file = NewArtifact("report.json", 2, "0" * 64, "application/json")
    for _ in range(RACES):
        job = make_job(sessions, status=JobState.running, attempt=1)
        verdict, cancel = race(
            sessions,
            methodcaller("succeed", job.id, 1, {}, [file]),
            methodcaller("cancel", job.id),
        )
        with sessions() as session:
            jobs = JobRepository(session)
            status, files = jobs.get(job.id).status, len(jobs.artifacts(job.id))
        assert isinstance(verdict, JobError) != isinstance(cancel, JobError)
        won = not isinstance(verdict, JobError)
        assert (status, files) == ((JobState.succeeded, 1) if won else (JobState.cancelling, 0))


def test_many_writers_number_events_without_a_gap(sessions: Sessions) -> None:
    job = make_job(sessions, status=JobState.running, attempt=1)
    steps = [methodcaller("progress", job.id, 1, block=(index, 40, "block")) for index in range(40)]
    for start in range(0, 40, 8):
        race(sessions, *steps[start : start + 8])
    with sessions() as session:
        jobs = JobRepository(session)
        assert [event.seq for event in jobs.events(job.id)] == list(range(1, 42))
        assert [event.seq for event in jobs.events(job.id, after=3, limit=2)] == [4, 5]
        assert jobs.get(job.id).version == job.version + 40


def test_of_two_verdicts_one_is_kept(sessions: Sessions) -> None:
    for _ in range(RACES):
        job = make_job(sessions, status=JobState.running, attempt=1)
        verdicts = race(
            sessions,
            methodcaller("succeed", job.id, 1, {}, []),
            methodcaller("fail", job.id, 1, make_problem()),
        )
        assert sum(isinstance(verdict, JobError) for verdict in verdicts) == 1
        with sessions() as session:
            final = [one for one in JobRepository(session).events(job.id) if one.status.is_final]
        assert len(final) == 1


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_two_relays_share_the_outbox_without_waiting(sessions: Sessions) -> None:
    job_ids = [make_job(sessions).id for _ in range(4)]
    with sessions.begin() as one, sessions.begin() as other:
        assert JobRepository(one).unpushed(3) == job_ids[:3]
        assert JobRepository(other).unpushed(3) == job_ids[3:]
