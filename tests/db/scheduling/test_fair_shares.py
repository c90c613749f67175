"""Within a priority the keys take turns, and a job's position says when its turn comes."""

import random
from collections import Counter, deque

import pytest
from sqlalchemy import delete

from db.core.session import Sessions
from db.core.states import JobState
from db.jobs.repository import JobRepository, NewJob
from db.scheduling.leases import LeaseRepository
from db.scheduling.queues import QueueRepository
from db.tables.access import LastClaim
from db.tables.jobs import Job
from tests.db.scheduling.taking import take
from tests.factories import make_spec

KEYS = (None, "key_a", "key_b", "key_c")


def queue(sessions: Sessions, key: str | None, priority: int = 0, gpu: str = "gpu") -> str:
    with sessions.begin() as session:
        jobs = JobRepository(session)
        return jobs.add(NewJob(make_spec(), created_by=key, priority=priority, queue=gpu)).id


def positions(sessions: Sessions, ids: list[str]) -> dict[str, int | None]:
    with sessions() as session:
        found = {
            one: QueueRepository(session).position(JobRepository(session).get(one)) for one in ids
        }
        assert found == {
            one: QueueRepository(session).near_position(JobRepository(session).get(one))
            for one in ids
        }
    return found


def test_a_key_with_many_jobs_does_not_delay_another_keys_only_job(sessions: Sessions) -> None:
    many = [queue(sessions, "key_a") for _ in range(30)]
    only = queue(sessions, "key_b")
    assert positions(sessions, [*many[:3], only]) == {many[0]: 1, only: 2, many[1]: 3, many[2]: 4}
    assert [take(sessions) for _ in range(4)] == [many[0], only, many[1], many[2]]


def test_a_keys_last_claim_outlives_its_jobs(sessions: Sessions) -> None:
    first = queue(sessions, "key_a")
    assert take(sessions) == first
    with sessions.begin() as session:
        session.execute(delete(Job))
    again, other = queue(sessions, "key_a"), queue(sessions, "key_b")
    assert [take(sessions), take(sessions)] == [other, again]


def test_a_job_of_an_unregistered_key_is_claimed_too(sessions: Sessions) -> None:
    job = queue(sessions, "key_a")
    with sessions.begin() as session:
        session.execute(delete(LastClaim))
    assert positions(sessions, [job]) == {job: 1}
    assert take(sessions) == job


def test_a_higher_priority_precedes_fair_shares(sessions: Sessions) -> None:
    first, urgent = queue(sessions, "key_a"), [queue(sessions, "key_b", 3) for _ in range(3)]
    assert [take(sessions) for _ in range(4)] == [*urgent, first]


def test_fair_shares_span_the_queues_of_a_worker(sessions: Sessions) -> None:
    small = [queue(sessions, "key_a") for _ in range(2)]
    big = queue(sessions, "key_b", gpu="big")
    assert [take(sessions, ("gpu", "big")) for _ in range(3)] == [small[0], big, small[1]]


def test_a_second_claim_of_a_job_counts_as_a_claim_of_its_key(sessions: Sessions) -> None:
    first, second, other = (queue(sessions, key) for key in ("key_a", "key_a", "key_b"))
    assert take(sessions) == first
    with sessions.begin() as session:
        LeaseRepository(session).release(first, 1)
    assert [take(sessions) for _ in range(3)] == [other, first, second]


@pytest.mark.parametrize("seed", range(3))
def test_positions_match_the_order_of_claims_and_no_key_waits_for_two_of_another(
    sessions: Sessions, seed: int
) -> None:
    chance = random.Random(seed)
    waiting = {queue(sessions, chance.choice(KEYS), chance.choice((0, 0, 1))) for _ in range(10)}
    overtaken: dict[str | None, Counter[str | None]] = {key: Counter() for key in KEYS}
    while waiting:
        before = positions(sessions, list(waiting))
        assert sorted(filter(None, before.values())) == list(range(1, len(waiting) + 1))
        with sessions() as session:
            rows = {one: JobRepository(session).get(one) for one in waiting}
        taken = take(sessions)
        assert taken is not None
        assert before[taken] == 1
        waiting.remove(taken)
        key, priority = rows[taken].created_by, rows[taken].priority
        peers = [one for one in waiting if rows[one].priority == priority]
        assert positions(sessions, peers) == {one: (before[one] or 0) - 1 for one in peers}
        overtaken[key].clear()
        for other in {rows[one].created_by for one in peers} - {key}:
            overtaken[other][key] += 1
            assert overtaken[other][key] == 1
        if chance.random() < 0.2:
            waiting.add(queue(sessions, chance.choice(KEYS)))


def test_concurrent_workers_claim_jobs_of_different_keys(sessions: Sessions) -> None:
    """Each claims a job, and none waits for another."""
    made = [queue(sessions, key) for key in ("key_a", "key_a", "key_b")]
    taken = deque(take(sessions) for _ in made)
    assert set(taken) == set(made)
    with sessions() as session:
        turns = {one.created_by: one.claim_number for one in session.query(LastClaim)}
    assert turns == {"key_a": 3, "key_b": 2}
    with sessions() as session:
        assert {JobRepository(session).get(one).status for one in made} == {JobState.running}
