"""The schedules of the suite: two test files have a half each, so that two processes share them."""

from tests.simulation.schedule import Simulator

BATCH = 250
BATCHES = 20
"""How many batches a test file has."""


def run_batch(simulated: Simulator, number: int) -> set[str]:
    """Check that the invariants hold in a batch of schedules, and return what it reached."""
    reached = set[str]()
    for seed in range(number * BATCH, (number + 1) * BATCH):
        outcome = simulated.run(seed)
        assert outcome.violation is None, f"python -m tests.simulation --seed {seed}"
        reached |= outcome.reached
    return reached
