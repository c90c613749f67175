"""When the janitor judges by the clock: the database's, which a test shifts, and one of its own."""

from datetime import datetime, timedelta

import pytest

from db.core.session import Sessions
from db.core.states import JobState
from db.files.artifact_store import ArtifactStore
from db.scheduling.claims import ClaimRepository
from db.scheduling.leases import LeaseRepository
from tests.factories import expire_lease, make_job
from tests.worker.attempts.test_run import read
from worker.control.reaper import Reaper
from worker.settings import WorkerSettings


class Timed(Reaper):
    """Reads the database's clock shifted by what a test says."""

    shift = timedelta()

    def _read_clock(self) -> datetime:
        return super()._read_clock() + self.shift


class Hours:
    """A clock that goes on when it is told to."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Hours:
    return Hours()


@pytest.fixture
def reaper(sessions: Sessions, store: ArtifactStore, clock: Hours) -> Timed:
    settings = WorkerSettings.model_validate({"_env_file": None})
    return Timed(sessions, store, settings, clock)


def lose(sessions: Sessions) -> str:
    job_id = make_job(sessions).id
    with sessions.begin() as session:
        ClaimRepository(session).claim(job_id, "test/1")
    expire_lease(sessions, job_id)
    return job_id


@pytest.mark.parametrize("seconds", [0, 39, -4])
def test_a_silent_workers_job_is_taken_back_at_once_by_a_clock_that_goes_well(
    sessions: Sessions, reaper: Timed, seconds: float
) -> None:
    reaper.turn()
    job_id = lose(sessions)
    reaper.shift = timedelta(seconds=seconds)
    assert reaper.turn() == 1
    assert read(sessions, job_id).status is JobState.queued


@pytest.mark.parametrize("seconds", [41, 3600, 9 * 86_400, -6, -3600, -9 * 86_400])
def test_after_a_jump_of_the_clock_workers_get_time_to_renew_their_leases(
    sessions: Sessions, reaper: Timed, clock: Hours, seconds: float
) -> None:
    reaper.turn()
    dead, living = lose(sessions), lose(sessions)
    reaper.shift = timedelta(seconds=seconds)
    assert reaper.turn() == 0
    clock.seconds += 29
    assert reaper.turn() == 0
    with sessions.begin() as session:
        LeaseRepository(session).heartbeat(living, 1)
    clock.seconds += 1
    assert reaper.turn() == 1
    assert read(sessions, dead).status is JobState.queued
    assert read(sessions, living).status is JobState.running


def test_a_clock_that_jumps_in_every_turn_does_not_keep_a_job_for_ever(
    sessions: Sessions, reaper: Timed, clock: Hours
) -> None:
    job_id = lose(sessions)
    reaper.turn()
    for _ in range(5):
        reaper.shift += timedelta(hours=1)
        clock.seconds += 10
        reaper.turn()
    assert read(sessions, job_id).status is JobState.queued
