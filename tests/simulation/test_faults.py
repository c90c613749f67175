"""The simulator finds what is wrong, and repeats what it has found."""

import pytest

from tests.simulation.faults import FAULTS
from tests.simulation.schedule import Simulator

SEEDS = 1000
FOUND_BY = {
    "no_fence": 250,
    "end_without_the_number_of_the_attempt": 321,
    "no_outbox": 0,
    "no_second_message": 5,
    "lease_not_renewed": 4,
    "submitted_job_is_pushed_before_the_commit": 0,
    "relay_pushes_before_the_commit": 5,
    "quota_is_checked_before_the_transaction": 76,
    "event_number_from_outside_the_transaction": 2,
    "recovery_ignores_renewals": 4,
    "claim_of_a_held_job": 198,
    "clock_that_was_set_back_is_not_noticed": 247,
    "files_are_published_after_the_commit": 105,
    "webhook_moves_on_before_its_deliveries": 24,
    "memory_of_workers_is_not_compared": 33,
    "draining_worker_claims": 181,
    "large_job_is_before_those_behind_it": 62,
    "plan_waits_for_a_lost_worker": 722,
    "plan_waits_for_memory_that_no_worker_has": 10,
    "newest_job_of_a_key_is_next": 42,
    "keys_take_no_turns": 679,
    "released_attempts_are_not_counted": 2,
}
"""The first seed that found each fault; after a change of the schedules, all are tried."""


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(
    simulated: Simulator, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    FAULTS[fault](monkeypatch)

    seeds = (FOUND_BY[fault], *range(SEEDS))
    assert any(simulated.run(seed).violation is not None for seed in seeds)


@pytest.mark.parametrize("seed", [3, 148])  # 148 depends on the jitter of a retry
def test_a_seed_replays_its_schedule(simulated: Simulator, seed: int) -> None:
    first = simulated.run(seed, traced=True)
    simulated.run(4)

    assert simulated.run(seed, traced=True) == first
