"""Schedules of the job system; `python -m tests.simulation --seed` replays one that fails."""

from collections.abc import Iterator

import pytest

from tests.simulation.faults import FAULTS
from tests.simulation.schedule import Simulator, simulator
from tests.simulation.situations import SITUATIONS

SCHEDULES = 1000
FOUND_BY = {
    "no_fence": 1,
    "end_without_the_number_of_the_attempt": 137,
    "no_outbox": 2,
    "no_second_message": 5,
    "lease_not_renewed": 2,
    "submitted_job_is_pushed_before_the_commit": 0,
    "relay_pushes_before_the_commit": 2,
    "quota_is_checked_before_the_transaction": 241,
    "event_number_from_outside_the_transaction": 4,
    "recovery_ignores_renewals": 2,
    "claim_of_a_held_job": 23,
    "clock_that_was_set_back_is_not_noticed": 23,
    "files_are_published_after_the_commit": 375,
    "webhook_moves_on_before_its_deliveries": 96,
}
"""The first seed that found each fault; after a change of the schedules, all are tried."""


@pytest.fixture(scope="module")
def simulated() -> Iterator[Simulator]:
    with simulator() as one:
        yield one


def test_the_invariants_hold_and_each_rare_situation_occurs(simulated: Simulator) -> None:
    reached = set[str]()
    for seed in range(SCHEDULES):
        outcome = simulated.run(seed)
        assert outcome.violation is None, f"python -m tests.simulation --seed {seed}"
        reached |= outcome.reached
    assert reached >= SITUATIONS


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(
    simulated: Simulator, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    FAULTS[fault](monkeypatch)

    seeds = (FOUND_BY[fault], *range(SCHEDULES))
    assert any(simulated.run(seed).violation is not None for seed in seeds)


def test_a_seed_replays_its_schedule(simulated: Simulator) -> None:
    first = simulated.run(3, traced=True)
    simulated.run(4)

    assert simulated.run(3, traced=True) == first
