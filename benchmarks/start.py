"""Measure the CPU time of a start of the whole service: `python -m benchmarks.start`."""

import argparse
import json
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from statistics import median

import psutil

from benchmarks.machine import machine
from benchmarks.services import serving

RESULTS = Path(__file__).parent / "results"
IDLE_FOR_S = 3.0
IDLE_CPU_S = 0.3
"""A start has ended once the service is ready and uses no more than this in ``IDLE_FOR_S``."""
NAMES = {
    "zpruner.serve.serve": "serve: settings, migrations",
    "valkey-server": "broker",
    "redis-server": "broker",
    "worker.pool.fork_server": "fork server",
    "worker.program": "worker",
    "worker.control.process": "control",
    "api.program": "api",
}
"""For parts of a command, the name of the process."""
CHECKS = "checks of the settings of each part"

Figures = dict[str, float]


def main() -> None:
    """Measure, print JSON, and write JSON and Markdown to `benchmarks/results`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.start", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="number of starts")
    given = parser.parse_args()
    starts = [_start() for _ in range(given.rounds)]
    report = {"machine": machine(), "protocol": vars(given), "cpu_seconds": starts}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "start.json").write_text(json.dumps(report, indent=1) + "\n")
    (RESULTS / "start.md").write_text(_markdown(starts))
    print(_table(starts), file=sys.stderr)
    print(json.dumps(report))


def _start() -> Figures:
    """Start a service with an empty data folder; return the CPU seconds of each process."""
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder), ZPRUNER_DEVICE="cpu"):
        used = _cpu_seconds()
        while True:
            time.sleep(IDLE_FOR_S)
            before, used = used, _cpu_seconds()
            if sum(used.values()) - sum(before.values()) <= IDLE_CPU_S:
                return used


def _cpu_seconds() -> Figures:
    """Return the CPU seconds of the service by process, with those of children that have ended."""
    found: Figures = defaultdict(float)
    for process in psutil.Process().children(recursive=True):
        command, times = " ".join(process.cmdline()), process.cpu_times()
        name = next((name for part, name in NAMES.items() if part in command), "others")
        is_serve = name == NAMES["zpruner.serve.serve"]
        found[name] += times.user + times.system
        found[CHECKS if is_serve else name] += times.children_user + times.children_system
    return found


def _markdown(starts: list[Figures]) -> str:
    where = ", ".join(f"{name} {value}" for name, value in machine().items())
    return (
        "CPU seconds of a start of the whole service, from `zpruner serve` until it is ready and "
        f"idle, without a job:\nmedian and maximum of {len(starts)} starts.\n\n{_table(starts)}\n\n"
        f"Measured on: {where}.\n"
    )


def _table(starts: list[Figures]) -> str:
    rows = ["| process | CPU seconds |", "|---|---:|"]
    for name in dict.fromkeys(name for start in starts for name in start):
        rows.append(_row(name, [start.get(name, 0.0) for start in starts]))
    return "\n".join([*rows, _row("all", [sum(start.values()) for start in starts])])


def _row(name: str, seconds: list[float]) -> str:
    return f"| {name} | {median(seconds):.1f} ({max(seconds):.1f}) |"


if __name__ == "__main__":
    main()
