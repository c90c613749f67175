"""Run schedules by hand: ``python -m tests.simulation --seed 7`` or ``--seeds 1000000``."""

import argparse
import gc
import sys
import time
from collections import Counter

import pytest

from tests.simulation.faults import FAULTS
from tests.simulation.plan import FEATURES
from tests.simulation.schedule import simulator


def _print(*lines: str) -> None:
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser("python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, help="replay this schedule, and print its steps")
    parser.add_argument("--seeds", type=int, default=1000, help="how many schedules to run")
    parser.add_argument("--keep-going", action="store_true", help="do not stop at a violation")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--feature", choices=sorted(set(FEATURES)), help="of all schedules")
    parser.add_argument("--fault", choices=FAULTS, help="plant this fault")
    options = parser.parse_args()
    gc.freeze()  # otherwise each full collection looks at the objects of all modules
    with simulator() as simulated, pytest.MonkeyPatch.context() as patch:
        if options.fault is not None:
            FAULTS[options.fault](patch)
        if options.seed is not None:
            outcome = simulated.run(options.seed, traced=True, feature=options.feature)
            _print(*outcome.trace, outcome.violation or "all invariants hold")
            return int(outcome.violation is not None)
        begin, counts, steps = time.process_time(), Counter[str](), 0
        for seed in range(options.first, options.first + options.seeds):
            outcome = simulated.run(seed, feature=options.feature)
            counts.update(outcome.reached)
            steps += outcome.steps
            if outcome.violation is not None:
                _print(f"seed {seed}: {outcome.violation}")
                if not options.keep_going:
                    return 1
        seconds = time.process_time() - begin
        _print(f"{options.seeds} schedules, {steps} steps, {seconds:.1f} s of CPU time")
        for situation, count in sorted(counts.items(), key=lambda one: -one[1]):
            _print(f"{count:8}  {situation}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
