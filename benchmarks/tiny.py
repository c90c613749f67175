"""Time tiny jobs with and without the fork server: `python -m benchmarks.tiny`.

Services with and without it run alternately, so that other load on the machine affects both.
"""

import argparse
import json
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from benchmarks.machine import machine
from benchmarks.services import serving
from zpruner import Client

RESULTS = Path(__file__).parent / "results"
KINDS = {"forked": "always", "spawned": "never"}
PLACES = {"first": "waited for", "next": "at once"}
POLL_EVERY_S = 0.1
SPEC: dict[str, Any] = {"sparsity": 0.5, "seq_len": 128, "samples": 8, "eval_samples": 8}

Figures = dict[str, dict[str, list[float]]]


def main() -> None:
    """Measure, print JSON, and write JSON and Markdown to `benchmarks/results`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tiny", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="number of services of each kind")
    parser.add_argument("--jobs", type=int, default=5, help="consecutive jobs in each service")
    parser.add_argument("--pause", type=float, default=20, help="idle seconds before the first job")
    given = parser.parse_args()
    figures: dict[str, Figures] = {kind: {} for kind in KINDS}
    for number in range(given.rounds):
        for kind, setting in KINDS.items():
            print(f"round {number + 1}, {kind}", file=sys.stderr)
            _measure(setting, given, figures[kind])
    report = {"machine": machine(), "protocol": vars(given), "figures": figures}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "tiny.json").write_text(json.dumps(report, indent=1) + "\n")
    (RESULTS / "tiny.md").write_text(_markdown(given, figures))
    print(_table(figures), file=sys.stderr)
    print(json.dumps(report))


def _measure(setting: str, given: argparse.Namespace, figures: Figures) -> None:
    """Run jobs in one service, and add their figures.

    The service's first job is left out, because it also benchmarks the machine.
    """
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(Path(folder), ZPRUNER_DEVICE="cpu", ZPRUNER_FORK_SERVER=setting) as url,
        Client(url) as client,
    ):
        _job(client)
        for index in range(given.jobs + 1):
            place = "next" if index else "first"
            if not index:
                time.sleep(given.pause)
            seconds, cpu_seconds = _job(client)
            taken = figures.setdefault(place, {"seconds": [], "cpu_seconds": []})
            taken["seconds"].append(seconds)
            taken["cpu_seconds"].append(cpu_seconds)


def _job(client: Client) -> tuple[float, float]:
    """Run a job; return the seconds from submission to success, and the CPU seconds used."""
    before, started = _cpu_seconds(), time.monotonic()
    job = client.jobs.create("local:tiny", dataset="local:text.txt", **SPEC)
    while not (job := client.jobs.get(job.id)).is_final:
        time.sleep(POLL_EVERY_S)
    seconds = time.monotonic() - started
    if job.status != "succeeded":
        raise SystemExit(f"{job.id} is {job.status}: {job.error}")
    return seconds, _cpu_seconds() - before


def _cpu_seconds() -> float:
    """Return the CPU seconds of all processes of the service, including those that have ended."""
    return sum(map(_cpu_seconds_of, psutil.Process().children(recursive=True)))


def _cpu_seconds_of(process: psutil.Process) -> float:
    with suppress(psutil.Error):
        times = process.cpu_times()
        return float(times.user + times.system + times.children_user + times.children_system)
    return 0.0


def _markdown(given: argparse.Namespace, figures: dict[str, Figures]) -> str:
    where = ", ".join(f"{name} {value}" for name, value in machine().items())
    return (
        "Seconds from submit to success of a job with one block of 32 dimensions: median, and the "
        "maximum in brackets.\nA job waited for starts on a service that was idle for "
        f"{given.pause:g} seconds; one at once follows another job.\n{given.rounds} services of "
        f"each kind in turn, {given.jobs} jobs at once in each. CPU seconds are those of all "
        f"processes of the service.\n\n{_table(figures)}\n\nMeasured on: {where}.\n"
    )


def _table(figures: dict[str, Figures]) -> str:
    rows = ["| | seconds | CPU seconds |", "|---|---:|---:|"]
    for kind, places in figures.items():
        for place, taken in places.items():
            cells = (f"{median(each):.1f} ({max(each):.1f})" for each in taken.values())
            rows.append(f"| {kind}, {PLACES[place]} | {' | '.join(cells)} |")
    return "\n".join(rows)


if __name__ == "__main__":
    main()
