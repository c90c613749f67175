"""``python -m tests.fuzz COUNT [FIRST] [KIND ...]``: run inputs of each kind, and print faults."""

import sys
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.fuzz.batches import reports
from tests.fuzz.jobs import KINDS, World


def main(count: str, first: str = "0", *kinds: str) -> None:
    outcomes: Counter[tuple[str, str]] = Counter()
    with TemporaryDirectory(prefix="fuzz-") as folder:
        world = World(Path(folder))
        for kind in kinds or KINDS:
            inputs = [(kind, number) for number in range(int(first), int(first) + int(count))]
            for report in reports(world, inputs):
                outcomes[kind, report.outcome.code or "accepted"] += 1
                for fault in report.outcome.faults:
                    print(*report.input, report.outcome.code, fault, flush=True)  # noqa: T201 - a command prints
    for (kind, code), number in sorted(outcomes.items()):
        print(f"{kind}: {code}: {number}")  # noqa: T201 - a command prints


if __name__ == "__main__":
    main(*sys.argv[1:])
