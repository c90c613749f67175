"""The parts of `benchmarks.polling`; each starts its own service."""

import argparse
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.load.callers import RENAME_EVERY_S, Callers
from benchmarks.load.connection import Server
from benchmarks.load.constant_rate import CONNECTIONS, at_rate, highest_rate
from benchmarks.load.fan_out import fan_out
from benchmarks.load.figures import Load, Row, percentile, table
from benchmarks.load.processes import API, FLOWER, WORKER, cpu_share, limit_descriptors, running
from benchmarks.load.targets import (
    busy_service,
    finished_task,
    service_with_jobs,
    submit_paused_jobs,
)
from benchmarks.services import flower, serving

TURNS = 2
"""How many times the service and Flower are each measured, alternately."""
PROMISED_P99_S = 0.05
USUAL_DESCRIPTORS, MANY_DESCRIPTORS = 1024, 1 << 16


@dataclass(frozen=True)
class Part:
    """The title and the measurements of one part of the benchmark."""

    title: str
    rows: list[Row]

    def markdown(self) -> str:
        return f"## {self.title}\n\n{table(self.rows)}\n"


def pollers_and_streams(given: argparse.Namespace) -> Part:
    with service_with_jobs() as (url, paths):
        callers = Callers(Server.of(url), paths, given.pollers, given.streams, renames=True)
        row = _row("Z-Pruner", callers, given.seconds, API)
    each = f"a rename each {RENAME_EVERY_S:g} s"
    return Part(f"{given.pollers} pollers, {given.streams} streams, {each}", [row])


def beside_flower(given: argparse.Namespace) -> Part:
    with (
        tempfile.TemporaryDirectory(prefix="zp") as name,
        serving(Path(name)) as url,
        flower(Path(name)) as flower_url,
    ):
        task, paths = finished_task(url, flower_url), submit_paused_jobs(url)
        ours = Callers(Server.of(url), paths, given.pollers)
        theirs = Callers(Server.of(flower_url), [task], given.pollers)
        rows = [
            _row(f"{what}, turn {turn + 1}", callers, given.seconds / TURNS, program)
            for turn in range(TURNS)
            for what, callers, program in (("Z-Pruner", ours, API), ("Flower", theirs, FLOWER))
        ]
    return Part(f"{given.pollers} pollers alone, and on Flower", rows)


def conditional_requests(given: argparse.Namespace) -> Part:
    rows: list[Row] = []
    with service_with_jobs() as (url, paths):

        def holds(rate: float, lasts_s: float = given.step_seconds) -> bool:
            cpu, client_cpu = cpu_share(running(API)), cpu_share([psutil.Process()])
            load = at_rate(Server.of(url), paths, rate, lasts_s)
            rows.append({"rate": rate, "seconds": lasts_s, **load.row()})
            rows[-1] |= {"cpu": cpu(), "client_cpu": client_cpu()}
            _print_errors(load)
            return percentile(load.seconds, 99) <= PROMISED_P99_S and not rows[-1]["errors"]

        holds(given.rate, given.rate_seconds)
        highest = highest_rate(holds)
    held = f"up to {highest:.0f} a second hold a p99 of {PROMISED_P99_S * 1000:.0f} ms"
    return Part(
        f"Conditional requests at a constant rate on {CONNECTIONS} connections: {held}", rows
    )


def many_streams(given: argparse.Namespace) -> Part:
    limit_descriptors(USUAL_DESCRIPTORS)
    with service_with_jobs() as (url, paths):
        limit_descriptors(MANY_DESCRIPTORS)
        seen = fan_out(Server.of(url), paths[0], given.many_streams, given.events)
    row: Row = {
        "from_send_p50_ms": percentile(seen.from_send, 50) * 1000,
        "from_send_p99_ms": percentile(seen.from_send, 99) * 1000,
        "from_response_p50_ms": percentile(seen.from_response, 50) * 1000,
        "from_response_p99_ms": percentile(seen.from_response, 99) * 1000,
        "missed": seen.missed,
        "stream_kib": seen.stream_bytes / 1024,
        "descriptors": seen.descriptors,
        "descriptor_limit": USUAL_DESCRIPTORS,
    }
    title = f"{given.many_streams:,} streams of one job, {given.events} events"
    return Part(title, [row])


def while_pruning(given: argparse.Namespace) -> Part:
    rows: list[Row] = []
    with busy_service() as (url, paths):
        for what, streams in (("pollers", 0), ("with streams and renames", given.streams)):
            callers = Callers(Server.of(url), paths, given.pollers, streams, renames=streams > 0)
            worker_cpu = cpu_share(running(WORKER))
            row = _row(what, callers, given.seconds / 2, API)
            rows.append(row | {"worker_cpu": worker_cpu()})
    return Part("The same while a worker prunes on the same cores", rows)


PARTS: dict[str, Callable[[argparse.Namespace], Part]] = {
    "a": pollers_and_streams,
    "b": beside_flower,
    "c": conditional_requests,
    "d": many_streams,
    "e": while_pruning,
}


def _row(what: str, callers: Callers, lasts_s: float, program: str) -> Row:
    load, cpu = Load(), cpu_share(running(program))
    callers.run(load, lasts_s)
    used = cpu()
    _print_errors(load)
    later = {"later_p99_ms": percentile(load.later, 99) * 1000}
    return {"what": what, **load.row(), **later, "events": load.events, "cpu": used}


def _print_errors(load: Load) -> None:
    for error, count in load.errors.items():
        print(f"{count} x {error}", file=sys.stderr)
