"""What is written down of workers."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from db.core.clock import now
from db.core.errors import WorkerNotFoundError
from db.core.session import Sessions
from db.scheduling.claims import ClaimRepository
from db.scheduling.leases import LeaseRepository
from db.scheduling.workers import WorkerRepository
from db.tables.jobs import Worker
from tests.factories import make_job, make_worker


def appear(sessions: Sessions, *names: str) -> None:
    with sessions.begin() as session:
        for name in names:
            WorkerRepository(session).register(make_worker(name))


def silent_for(sessions: Sessions, name: str, ago: timedelta) -> None:
    with sessions.begin() as session:
        session.execute(update(Worker).where(Worker.name == name).values(heartbeat_at=now(-ago)))


def states(sessions: Sessions) -> dict[str, str]:
    with sessions() as session:
        return {one.worker.name: one.state for one in WorkerRepository(session).all()}


def test_a_worker_is_lost_after_a_minute_until_its_next_heartbeat(sessions: Sessions) -> None:
    appear(sessions, "a", "b")
    silent_for(sessions, "a", timedelta(seconds=61))
    silent_for(sessions, "b", timedelta(seconds=50))
    assert states(sessions) == {"a": "lost", "b": "idle"}
    with sessions.begin() as session:
        assert WorkerRepository(session).alive_queues() == {"gpu"}
        assert WorkerRepository(session).heartbeat("wrk_a") is not None
    assert states(sessions) == {"a": "idle", "b": "idle"}


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


def test_lost_workers_are_deleted_after_a_day(sessions: Sessions) -> None:
    appear(sessions, "a", "b")
    silent_for(sessions, "a", timedelta(hours=25))
    silent_for(sessions, "b", timedelta(hours=23))
    with sessions.begin() as session:
        WorkerRepository(session).delete_lost()
    assert states(sessions) == {"b": "lost"}
    with sessions.begin() as session:
        assert WorkerRepository(session).heartbeat("wrk_a") is None


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
