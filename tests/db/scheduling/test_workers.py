"""What is written down of workers."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from db.core.clock import now
from db.core.errors import WorkerNotFoundError
from db.core.session import Sessions
from db.core.states import JobState, Phase
from db.events.job_events import EventRepository
from db.scheduling import workers
from db.scheduling.claims import ClaimRepository
from db.scheduling.held_jobs import held_jobs
from db.scheduling.leases import LeaseRepository
from db.scheduling.workers import WorkerRepository, WorkerStatus
from db.tables.jobs import Job
from tests.db.scheduling.workers import appear, silent_for, states
from tests.factories import make_job, make_worker


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine may need more than 8 s between two steps."""
    monkeypatch.setattr(workers, "SILENT_AFTER", timedelta(seconds=30))


@pytest.mark.usefixtures("patient")
def test_a_worker_is_lost_after_a_minute_until_its_next_heartbeat(sessions: Sessions) -> None:
    appear(sessions, "a", "b")
    silent_for(sessions, "a", timedelta(seconds=61))
    silent_for(sessions, "b", timedelta(seconds=31))
    assert states(sessions) == {"a": "lost", "b": "silent"}
    with sessions.begin() as session:
        assert WorkerRepository(session).alive_queues() == {"gpu"}
        assert WorkerRepository(session).heartbeat("wrk_a") is not None
    assert states(sessions) == {"a": "idle", "b": "silent"}


@pytest.mark.parametrize(("seconds", "state"), [(7, "idle"), (9, "silent")])
def test_a_worker_is_silent_after_two_missing_heartbeats(seconds: int, state: str) -> None:
    silence = timedelta(seconds=seconds)
    assert WorkerStatus(make_worker("a"), True, silence, job_id=None).state == state


@pytest.mark.usefixtures("patient")
def test_a_worker_is_silent_without_heartbeats_of_its_own_or_of_its_job(
    sessions: Sessions,
) -> None:
    appear(sessions, "a", "b", "c")
    job = make_job(sessions)
    with sessions.begin() as session:
        ClaimRepository(session).claim(job.id, "c/1", worker_id="wrk_c")
        WorkerRepository(session).set_job("wrk_c", job.id)
    silent_for(sessions, "a", timedelta(seconds=7))
    silent_for(sessions, "b", timedelta(seconds=35))
    assert states(sessions) == {"a": "idle", "b": "silent", "c": "busy"}

    with sessions.begin() as session:  # the process of the job is frozen, its parent is not
        session.execute(update(Job).values(leased_at=now(-timedelta(seconds=35))))
        silence = WorkerRepository(session).get("wrk_c").silence
    assert states(sessions)["c"] == "silent"
    assert 35 <= silence.total_seconds() < 60

    with sessions.begin() as session:  # a worker of release 0.1.0 that is to stop renews no lease
        session.execute(update(Job).values(status=JobState.pausing))
    assert states(sessions)["c"] == "busy"


def test_a_worker_that_restarts_replaces_its_former_row(sessions: Sessions) -> None:
    appear(sessions, "a")
    with sessions.begin() as session:
        WorkerRepository(session).register(make_worker("a", id="wrk_new"))
    with sessions() as session:
        assert [one.worker.id for one in WorkerRepository(session).all()] == ["wrk_new"]


def test_two_workers_of_the_same_name_are_both_listed(sessions: Sessions) -> None:
    appear(sessions, "a")
    with sessions.begin() as session:
        WorkerRepository(session).register(make_worker("a", id="wrk_new"))
    with sessions.begin() as session:
        assert WorkerRepository(session).heartbeat("wrk_a") is None
        WorkerRepository(session).add(make_worker("a"))
    with sessions() as session:
        found = {one.worker.id for one in WorkerRepository(session).all()}
    assert found == {"wrk_a", "wrk_new"}


def test_the_pace_of_a_held_job_is_that_of_its_last_blocks(sessions: Sessions) -> None:
    job = make_job(sessions)
    with sessions.begin() as session:
        claimed = ClaimRepository(session).claim(job.id, "a/1")
        assert claimed is not None
        leases = LeaseRepository(session)
        assert held_jobs(session, [job.id])[job.id].seconds_per_step is None
        for index in range(12):
            leases.report_progress(
                job.id, 1, phase=Phase.pruning, fraction=0.1, block=(index, 20, "b")
            )
        for event in EventRepository(session).events(job.id):
            event.at = claimed.created_at + timedelta(seconds=event.seq**2)
    with sessions() as session:
        held = held_jobs(session, [job.id])[job.id]
    first, last = 3 + 12 - 8, 3 + 12  # after the claim and the phase; its last nine blocks
    assert held.seconds_per_step == (last**2 - first**2) / 8
    assert held.job.block_index == 11


def test_lost_workers_are_deleted_after_a_day(sessions: Sessions) -> None:
    appear(sessions, "a", "b")
    silent_for(sessions, "a", timedelta(hours=25))
    silent_for(sessions, "b", timedelta(hours=23))
    with sessions.begin() as session:
        WorkerRepository(session).delete_lost()
    assert states(sessions) == {"b": "lost"}
    with sessions.begin() as session:
        assert WorkerRepository(session).heartbeat("wrk_a") is None


@pytest.mark.usefixtures("patient")
def test_a_worker_has_a_job_only_while_it_holds_it(sessions: Sessions) -> None:
    appear(sessions, "a", "b")
    job = make_job(sessions)
    for name in ("a", "b"):
        with sessions.begin() as session:
            attempt = ClaimRepository(session).claim(job.id, f"{name}/1")
            assert attempt is not None
            WorkerRepository(session).set_job(f"wrk_{name}", job.id)
        assert states(sessions) == {"a": "idle", "b": "idle"} | {name: "busy"}
        with sessions.begin() as session:
            LeaseRepository(session).release(job.id, attempt.attempt)
        assert states(sessions) == {"a": "idle", "b": "idle"}


def test_an_unknown_worker_cannot_be_drained(sessions: Sessions) -> None:
    with sessions.begin() as session, pytest.raises(WorkerNotFoundError, match="wrk_none"):
        WorkerRepository(session).set_draining("wrk_none", True)


def test_a_worker_that_shuts_down_is_removed_at_once(sessions: Sessions) -> None:
    appear(sessions, "a")
    with sessions.begin() as session:
        WorkerRepository(session).remove("wrk_a")
    assert states(sessions) == {}
