"""Sweeps in the database: all points or none, and no more at once than may run."""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest

from db.core.errors import SweepNotFoundError
from db.core.session import Sessions
from db.core.states import FINAL, HELD, JobState
from db.events.job_events import EventRepository
from db.jobs.commands import JobCommands
from db.jobs.listing import JobFilter
from db.jobs.repository import JobRepository
from db.jobs.sweeps import SweepRepository
from db.scheduling.claims import ClaimRepository
from db.scheduling.leases import LeaseRepository
from db.scheduling.queues import QueueRepository
from db.scheduling.recovery import RecoveryRepository
from db.tables.jobs import Sweep
from tests.db.jobs.races import race
from tests.db.jobs.sweeps import job_ids, make_sweep
from tests.factories import expire_lease, make_job

RACES = 20


def statuses(sessions: Sessions, sweep: Sweep) -> list[JobState]:
    with sessions() as session:
        return [job.status for job in SweepRepository(session).jobs(sweep.id)]


def claim(sessions: Sessions, job_id: str) -> bool:
    with sessions.begin() as session:
        return ClaimRepository(session).claim(job_id, "worker") is not None


def unpushed(sessions: Sessions) -> list[str]:
    with sessions.begin() as session:
        return RecoveryRepository(session).unpushed()


def succeed(sessions: Sessions, job_id: str) -> None:
    with sessions.begin() as session:
        LeaseRepository(session).succeed(job_id, 1, {"sparsity": 0.5}, [])


def test_every_point_becomes_a_queued_job_with_the_shared_fields(sessions: Sessions) -> None:
    sweep = make_sweep(sessions, 3)
    with sessions() as session:
        sweeps = SweepRepository(session)
        jobs = sweeps.jobs(sweep.id)
        assert [job.spec.sparsity for job in jobs] == [0, 0.01, 0.02]
        assert [job.sweep_point for job in jobs] == [0, 1, 2]
        for job in jobs:
            assert (job.name, job.labels, job.warnings) == (
                "nightly",
                {"team": "a"},
                ["not checked"],
            )
            assert (job.status, job.gate) == (
                JobState.queued,
                {"max": {}, "min": {"sparsity": 0.5}, "confidence": None},
            )
            assert len(EventRepository(session).events(job.id)) == 1
        assert sweeps.counts([sweep.id]) == {sweep.id: {JobState.queued: 3}}
        assert sweeps.get(sweep.id).varied[2] == {"sparsity": 0.02}
        with pytest.raises(SweepNotFoundError):
            sweeps.get("swp_" + "0" * 32)


def test_the_points_of_a_sweep_are_listed_by_it(sessions: Sessions) -> None:
    make_job(sessions)
    sweep, other = make_sweep(sessions, 2), make_sweep(sessions, 1)
    with sessions() as session:
        listed = JobRepository(session).page(JobFilter(sweep_id=sweep.id), oldest_first=True)
        sweeps = SweepRepository(session)
        assert [one.id for one in sweeps.page()] == [other.id, sweep.id]
        assert [one.id for one in sweeps.page(limit=1)] == [other.id]
        assert [one.id for one in sweeps.page(after=other.id)] == [sweep.id]
    assert [job.id for job in listed] == job_ids(sessions, sweep)


def test_without_a_limit_all_points_are_pushed_and_claimed(sessions: Sessions) -> None:
    ids = job_ids(sessions, make_sweep(sessions))
    assert unpushed(sessions) == ids
    assert all(claim(sessions, job_id) for job_id in reversed(ids))


def test_points_run_in_order(sessions: Sessions) -> None:
    first, second, third, fourth = ids = job_ids(sessions, make_sweep(sessions, 4, max_parallel=2))
    assert unpushed(sessions) == [first, second]
    assert [claim(sessions, job_id) for job_id in ids] == [True, True, False, False]
    assert unpushed(sessions) == []
    succeed(sessions, second)
    assert unpushed(sessions) == [third]
    assert not claim(sessions, fourth)
    assert claim(sessions, third)


def test_a_waiting_point_does_not_block_other_jobs(sessions: Sessions) -> None:
    sweep, other = make_sweep(sessions, 3, 1), make_sweep(sessions, 2, 1)
    job = make_job(sessions)
    assert claim(sessions, job_ids(sessions, sweep)[0])
    assert unpushed(sessions) == [job_ids(sessions, other)[0], job.id]
    assert claim(sessions, job_ids(sessions, other)[0])
    assert claim(sessions, job.id)


def test_the_next_job_is_one_that_may_run(sessions: Sessions) -> None:
    first, _second = job_ids(sessions, make_sweep(sessions, 2, max_parallel=1))
    later = make_job(sessions).id
    for expected in (first, later, None):
        with sessions.begin() as session:
            assert QueueRepository(session).has_runnable(["gpu"]) is (expected is not None)
            assert QueueRepository(session).next_job(["gpu"]) == expected
            assert (
                expected is None
                or ClaimRepository(session).claim(expected, "worker", queues=["gpu"]) is not None
            )


def test_a_lost_point_is_claimed_again_before_waiting_ones(sessions: Sessions) -> None:
    first, second = job_ids(sessions, make_sweep(sessions, 2, max_parallel=1))
    assert claim(sessions, first)
    expire_lease(sessions, first)
    assert not claim(sessions, second)
    assert claim(sessions, first)


def test_a_retried_point_runs_before_later_points(sessions: Sessions) -> None:
    sweep = make_sweep(sessions, 3, max_parallel=1)
    first, second, _third = job_ids(sessions, sweep)
    with sessions.begin() as session:
        JobCommands(session).cancel(first)
    assert unpushed(sessions) == [second]
    with sessions.begin() as session:
        JobCommands(session).retry(first)
    assert not claim(sessions, second)
    assert claim(sessions, first)


def test_a_cancelled_sweep_runs_no_further(sessions: Sessions) -> None:
    sweep = make_sweep(sessions, 4, max_parallel=2)
    ids = job_ids(sessions, sweep)
    for job_id in ids[:2]:
        claim(sessions, job_id)
    succeed(sessions, ids[0])
    for _ in range(2):
        with sessions.begin() as session:
            SweepRepository(session).cancel(sweep.id)
        expected = [JobState.succeeded, JobState.cancelling, JobState.cancelled, JobState.cancelled]
        assert statuses(sessions, sweep) == expected
    assert unpushed(sessions) == []
    with sessions.begin() as session, pytest.raises(SweepNotFoundError):
        SweepRepository(session).cancel("swp_" + "0" * 32)


@pytest.mark.parametrize("most", [1, 2])
def test_concurrent_claims_never_exceed_the_limit(most: int, sessions: Sessions) -> None:
    for _ in range(RACES):
        sweep = make_sweep(sessions, 4, max_parallel=most)
        ids = job_ids(sessions, sweep)
        # Two messages for each point, as a broker may deliver them.
        claims = race(
            sessions,
            *[
                lambda session, one=one: ClaimRepository(session).claim(one, "worker")
                for one in ids * 2
            ],
        )
        running = [status in HELD for status in statuses(sessions, sweep)]
        assert sum(claim is not None for claim in claims) == sum(running) <= most
        assert all(before >= after for before, after in pairwise(running))


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_a_claim_waits_for_another_one_in_the_same_sweep(sessions: Sessions) -> None:
    first, second = job_ids(sessions, make_sweep(sessions, 2, max_parallel=1))
    with sessions.begin() as session:
        JobCommands(session).cancel(first)
    with ThreadPoolExecutor(1) as pool:
        with sessions.begin() as session:
            assert ClaimRepository(session).claim(second, "worker") is not None
            # No other session sees that yet, and the first point comes before it again.
            with sessions.begin() as other:
                JobCommands(other).retry(first)
            late = pool.submit(claim, sessions, first)
            with pytest.raises(TimeoutError):
                late.result(timeout=0.5)
        assert late.result() is False


def test_a_limited_sweep_runs_to_its_end(sessions: Sessions) -> None:
    sweep = make_sweep(sessions, 6, max_parallel=2)
    for _ in range(6):
        for job_id in unpushed(sessions):
            assert claim(sessions, job_id)
        assert sum(status in HELD for status in statuses(sessions, sweep)) <= 2
        held = [one for one in job_ids(sessions, sweep) if is_held(sessions, one)]
        succeed(sessions, held[0])
    assert set(statuses(sessions, sweep)) <= FINAL


def is_held(sessions: Sessions, job_id: str) -> bool:
    with sessions() as session:
        return JobRepository(session).get(job_id).status in HELD


def test_a_cancelled_sweep_races_claims_and_no_job_stays_queued(sessions: Sessions) -> None:
    for _ in range(RACES):
        sweep = make_sweep(sessions, 3, max_parallel=1)
        first, *_ = job_ids(sessions, sweep)
        race(
            sessions,
            lambda session: ClaimRepository(session).claim(first, "worker"),  # noqa: B023 - run in this turn
            lambda session: SweepRepository(session).cancel(sweep.id),  # noqa: B023 - run in this turn
        )
        assert JobState.queued not in statuses(sessions, sweep)
