"""Schedules of the job system; `python -m tests.simulation --seed` replays one that fails."""

import pytest

from tests.simulation.batches import BATCHES, run_batch
from tests.simulation.schedule import Simulator
from tests.simulation.situations import SITUATIONS


@pytest.mark.parametrize("number", range(BATCHES, 2 * BATCHES))
def test_the_invariants_hold(
    simulated: Simulator, reached: dict[int, set[str]], number: int
) -> None:
    reached[number] = run_batch(simulated, number)


def test_each_rare_situation_occurs(reached: dict[int, set[str]]) -> None:
    if len(reached) < BATCHES:
        pytest.skip("not all schedules were run")
    assert set().union(*reached.values()) >= SITUATIONS
