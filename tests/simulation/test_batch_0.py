"""Schedules of the job system; `python -m tests.simulation --seed` replays one that fails."""

from tests.simulation.batches import check_batch
from tests.simulation.schedule import Simulator


def test_the_invariants_hold_and_each_rare_situation_occurs(simulated: Simulator) -> None:
    check_batch(simulated, 0)
