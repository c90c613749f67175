"""The schedules of the suite, in batches of two test files, so that two processes share them."""

from tests.simulation.schedule import Simulator
from tests.simulation.situations import SITUATIONS

BATCH = 2500


def check_batch(simulated: Simulator, number: int) -> None:
    """Check that the invariants hold in a batch of schedules, and that each situation occurs."""
    reached = set[str]()
    for seed in range(number * BATCH, (number + 1) * BATCH):
        outcome = simulated.run(seed)
        assert outcome.violation is None, f"python -m tests.simulation --seed {seed}"
        reached |= outcome.reached
    assert reached >= SITUATIONS
