"""Schedules of the job system; `python -m tests.simulation --seed` replays one that fails."""

import pytest

from tests.simulation.batches import check_batch
from tests.simulation.schedule import Simulator


@pytest.mark.parametrize("number", [2, 3])
def test_the_invariants_hold_and_each_rare_situation_occurs(
    simulated: Simulator, number: int
) -> None:
    check_batch(simulated, number)
