"""What the janitor repairs, on a real database."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from db.core.clock import now
from db.core.session import Sessions
from db.core.states import JobState
from db.files.artifact_store import ArtifactStore
from db.jobs import releases
from db.jobs.commands import JobCommands
from db.scheduling.claims import ClaimRepository
from db.scheduling.recovery import PUSH_AGAIN_AFTER
from db.tables.jobs import Job
from tests.db.scheduling.test_workers import appear, silent_for, states
from tests.factories import expire_lease, make_job, move
from tests.fakes import ListQueue
from tests.worker.attempts.test_run import read
from tests.worker.work import work
from worker.attempts.run import Runner
from worker.control import janitor

GONE = timedelta(seconds=-1)
KEPT = timedelta(days=1)


def no_rings(_: str) -> int:
    return 0


def test_a_job_no_worker_heard_of_is_pushed_once(sessions: Sessions) -> None:
    job, queue = make_job(sessions), ListQueue()

    assert janitor.relay(sessions, queue.push, no_rings) == 1
    assert janitor.relay(sessions, queue.push, no_rings) == 0

    assert (queue.ids, queue.queues) == ([job.id], ["gpu"])


def test_rings_do_not_pile_up_behind_a_long_job_and_lost_ones_are_made_again(
    sessions: Sessions,
) -> None:
    waiting = [make_job(sessions).id for _ in range(5)] + [make_job(sessions, queue="big").id]
    queue = ListQueue()

    def later() -> int:
        with sessions.begin() as session:
            session.execute(update(Job).values(pushed_at=now(-2 * PUSH_AGAIN_AFTER)))
        return janitor.relay(sessions, queue.push, queue.queues.count)

    assert [later() for _ in range(10)] == [6] + 9 * [0]
    assert sorted(queue.ids) == sorted(waiting)
    queue.queues.remove("gpu")
    queue.queues.remove("gpu")
    assert [later(), later()] == [2, 0]
    queue.queues.clear()
    assert [later(), later()] == [6, 0]


def test_a_push_that_fails_loses_no_job(sessions: Sessions) -> None:
    job = make_job(sessions)

    def fail(*_: str) -> None:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        janitor.relay(sessions, fail, no_rings)

    assert read(sessions, job.id).status is JobState.queued


def test_a_silent_workers_job_is_queued_again_and_its_files_go_when_it_has_succeeded(
    sessions: Sessions, store: ArtifactStore, runner: Callable[..., Runner], tmp_path: Path
) -> None:
    job = make_job(sessions)
    with sessions.begin() as session:
        ClaimRepository(session, lease=GONE).claim(job.id, "test/1")
    half = store.stage(job.id, 1) / "half.safetensors"
    half.write_bytes(b"half")

    assert janitor.reap(sessions, store, KEPT) == 1

    runner(work()).run(job.id)
    assert not half.exists()
    again = read(sessions, job.id)
    assert (again.status, again.attempt, again.crashes) == (JobState.succeeded, 2, 1)


def test_a_dead_workers_job_can_be_claimed_before_its_lease_ends(
    sessions: Sessions, store: ArtifactStore
) -> None:
    job = make_job(sessions)
    with sessions.begin() as session:
        ClaimRepository(session).claim(job.id, "test/1")

    releases.release_job(sessions, store, job.id, "test/2")
    assert read(sessions, job.id).status is JobState.running, "another worker holds it"
    releases.release_job(sessions, store, job.id, "test/1")

    with sessions.begin() as session:
        assert ClaimRepository(session).claim(job.id, "test/3") is not None


def test_a_job_that_kills_its_worker_three_times_fails(
    sessions: Sessions, store: ArtifactStore
) -> None:
    job = make_job(sessions)
    for number in range(3):
        with sessions.begin() as session:
            ClaimRepository(session).claim(job.id, f"test/{number}")
        releases.release_job(sessions, store, job.id, f"test/{number}")

    failed = read(sessions, job.id)
    assert failed.status is JobState.failed
    assert failed.error is not None
    assert failed.error["code"] == "worker_lost"


@pytest.mark.parametrize("ended", [JobState.cancelled, JobState.failed, JobState.expired])
def test_what_a_job_left_staged_is_kept_for_a_retry_but_not_for_ever(
    ended: JobState, sessions: Sessions, store: ArtifactStore
) -> None:
    job = make_job(sessions, status=JobState.running)
    other = make_job(sessions)
    for one in (job, other):
        store.stage(one.id, 1)
    with sessions.begin() as session:
        move(session, job.id, JobState.queued, ended)

    janitor.reap(sessions, store, KEPT)
    assert set(store.staged_jobs()) == {job.id, other.id}

    janitor.reap(sessions, store, GONE)
    assert store.staged_jobs() == [other.id]


def test_a_dead_process_gives_back_the_job_it_holds_whichever_rang(
    sessions: Sessions, store: ArtifactStore
) -> None:
    held, other = make_job(sessions), make_job(sessions)
    with sessions.begin() as session:
        ClaimRepository(session).claim(held.id, "test/1")
        ClaimRepository(session).claim(other.id, "test/2")

    releases.release_jobs_of(sessions, store, "test/1")

    assert read(sessions, held.id).status is JobState.queued
    assert read(sessions, other.id).status is JobState.running


def test_a_ring_is_of_use_while_any_job_of_the_queues_waits_or_its_own_was_lost(
    sessions: Sessions,
) -> None:
    job = make_job(sessions)
    assert janitor.is_wanted(sessions, "job_ended", ["gpu"])
    assert not janitor.is_wanted(sessions, job.id, ["big"])
    with sessions.begin() as session:
        ClaimRepository(session).claim(job.id, "test/1")
    assert not janitor.is_wanted(sessions, job.id, ["gpu"])
    expire_lease(sessions, job.id)
    assert janitor.is_wanted(sessions, job.id, ["gpu"])
    assert not janitor.is_wanted(sessions, "job_other", ["gpu"])


def test_the_janitor_forgets_workers_that_are_long_lost(
    sessions: Sessions, store: ArtifactStore
) -> None:
    appear(sessions, "gone", "there")
    silent_for(sessions, "gone", timedelta(days=2))
    janitor.reap(sessions, store, KEPT)
    assert states(sessions) == {"there": "idle"}


def test_a_job_past_its_deadline_ends_whichever_state_it_is_in(
    sessions: Sessions, store: ArtifactStore
) -> None:
    past, later = datetime.now(UTC) - timedelta(hours=1), datetime.now(UTC) + timedelta(hours=1)
    states = (JobState.queued, JobState.paused, JobState.running, JobState.pausing)
    overdue = [make_job(sessions, status=state, attempt=1, deadline=past) for state in states]
    in_time = make_job(sessions, deadline=later)
    over = make_job(sessions, status=JobState.succeeded, deadline=past)

    janitor.reap(sessions, store, KEPT)

    for job in overdue:
        expired = read(sessions, job.id)
        assert expired.status is JobState.expired
        assert expired.error is not None
        assert expired.error["code"] == "deadline_passed"
    assert read(sessions, in_time.id).status is JobState.queued
    assert read(sessions, over.id).status is JobState.succeeded


def test_files_of_a_deleted_job_are_swept_away_and_no_others(
    sessions: Sessions, store: ArtifactStore, runner: Callable[..., Runner], tmp_path: Path
) -> None:
    job, other = make_job(sessions), make_job(sessions)
    for one in (job, other):
        runner(work()).run(one.id)
    with sessions.begin() as session:
        JobCommands(session).delete(job.id)

    assert janitor.delete_orphans(sessions, store) == 1
    assert janitor.delete_orphans(sessions, store) == 0

    assert store.published_jobs() == [other.id]
