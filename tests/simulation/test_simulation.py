"""Schedules of the job system; `python -m tests.simulation --seed` replays one that fails."""

from collections.abc import Iterator

import pytest

from tests.simulation.faults import FAULTS
from tests.simulation.schedule import Simulator, simulator
from tests.simulation.situations import SITUATIONS

SCHEDULES, PARTS = 10_000, 4
WITHIN = 1_000
"""Within this many seeds, each planted fault is found."""


@pytest.fixture(scope="module")
def simulated() -> Iterator[Simulator]:
    with simulator() as one:
        yield one


@pytest.mark.parametrize("part", range(PARTS))
def test_the_invariants_hold_and_each_rare_situation_occurs(
    simulated: Simulator, part: int
) -> None:
    size = SCHEDULES // PARTS
    reached = set[str]()
    for seed in range(part * size, (part + 1) * size):
        outcome = simulated.run(seed)
        assert outcome.violation is None, f"python -m tests.simulation --seed {seed}"
        reached |= outcome.reached
    assert reached >= SITUATIONS


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(
    simulated: Simulator, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    FAULTS[fault](monkeypatch)

    assert any(simulated.run(seed).violation is not None for seed in range(WITHIN))


def test_a_seed_replays_its_schedule(simulated: Simulator) -> None:
    first = simulated.run(3, traced=True)
    simulated.run(4)

    assert simulated.run(3, traced=True) == first
