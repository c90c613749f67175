"""Measure a service with a million jobs and ten million events on PostgreSQL.

`python -m benchmarks.scale` makes the rows by SQL, which takes minutes and about 8 GB of disk.
"""

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from benchmarks.lists import NEW_YEAR, QUERIES, RESULTS
from benchmarks.load.connection import Server
from benchmarks.load.constant_rate import at_rate
from benchmarks.load.database import Database, running_database
from benchmarks.load.figures import percentile
from benchmarks.load.scale_rows import KEYS, fill
from benchmarks.load.targets import submit_paused_jobs
from benchmarks.machine import machine
from benchmarks.services import serving
from db.core.session import Sessions, open_sessions
from db.core.states import Phase
from db.events.event_order import order_events
from db.jobs.costs import NO_TIME, CostRepository, month_of
from db.jobs.old_rows import OldRowRepository
from db.jobs.use import use_of
from db.scheduling.claims import ClaimRepository
from db.scheduling.leases import LeaseRepository
from db.scheduling.queues import QueueRepository
from db.scheduling.workers import WorkerRepository
from db.schema.migration import migrate
from db.use_sums import correct_sums
from worker.control.relay import relay

RATE, LASTS_S = 500, 20
REPORTED_AFTER_S = 2
"""After that, PostgreSQL's own processes have counted what they did."""
PROMISED_P99_MS = 50
Action = Callable[[Sessions, random.Random], object]


@dataclass(frozen=True)
class Figures:
    """What an action took, each time.

    Attributes:
        database_ms: the CPU time of the database's processes.
        client_ms: the CPU time of this process.
        operations: how often the database asked the operating system to read, write, extend or
            flush a file.
    """

    p50_ms: float
    p99_ms: float
    database_ms: float
    client_ms: float
    operations: float


def main() -> None:
    """Measure, print JSON, and write JSON and Markdown to `benchmarks/results`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--jobs", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=100)
    given = parser.parse_args()
    with running_database() as database:
        migrate(database.url)
        sessions, begun = open_sessions(database.url), time.monotonic()
        fill(sessions, given.jobs)
        correct_sums(database.url)
        database.wait_for_disk()
        filled_s, size = time.monotonic() - begun, database.size_bytes()
        figures = {}
        for name, (action, times) in _actions(given.times).items():
            figures[name] = _measure(sessions, database, action, times)
            print(name, figures[name], file=sys.stderr, flush=True)
        _pause_all(sessions)
        sessions.kw["bind"].dispose()
        polling = _polling(database)
    report = {
        "machine": machine(),
        "protocol": {**vars(given), "filled_s": round(filled_s), "database_bytes": size},
        "figures": {name: vars(found) for name, found in figures.items()},
        "polling": polling,
    }
    (RESULTS / "scale.json").write_text(json.dumps(report, indent=2) + "\n")
    (RESULTS / "scale.md").write_text(_markdown(report))
    print(json.dumps(report))


def _actions(times: int) -> dict[str, tuple[Action, int]]:
    """Return what is measured, and how often."""
    listed: dict[str, tuple[Action, int]] = {
        f"list: {name}": (_reading(query), times) for name, query in QUERIES.items()
    }
    return listed | {
        "claim": (_claim, times),
        "a block and its event": (_report_block, times),
        "the same, and its place in the order of events": (_order, times),
        "relay": (_relay, times),
        "heartbeat of a worker": (_heartbeat, times),
        "depth of the queues": (
            _reading(lambda session, _: QueueRepository(session).depths()),
            times,
        ),
        "what a key has spent in the month": (_reading(_spent), times),
        "use of a week": (_reading(_week), times),
        "deletion of the old events of 50 jobs": (_delete_old, times),
    }


def _reading(query: Callable[[Session, random.Random], object]) -> Action:
    def read(sessions: Sessions, chance: random.Random) -> object:
        with sessions() as session:
            return query(session, chance)

    return read


def _claim(sessions: Sessions, _: random.Random) -> object:
    with sessions.begin() as session:
        job_id = QueueRepository(session).next_job(["gpu"])
        assert job_id is not None
        return ClaimRepository(session).claim(job_id, "gpu@scale", queues=["gpu"])


def _report_block(sessions: Sessions, chance: random.Random) -> object:
    with sessions.begin() as session:
        held = text("SELECT id, attempt FROM jobs WHERE status = 'running' LIMIT 50")
        job_id, attempt = chance.choice(session.execute(held).all())
        leases, block = LeaseRepository(session), (chance.randrange(32), 32, "layers")
        leases.report_block(job_id, attempt, block[0], block[2], {"sparsity": 0.5})
        return leases.report_progress(
            job_id, attempt, phase=Phase.pruning, fraction=0.5, block=block, eta=(60.0, 90.0)
        )


def _order(sessions: Sessions, chance: random.Random) -> None:
    _report_block(sessions, chance)
    order_events(sessions)


def _relay(sessions: Sessions, _: random.Random) -> object:
    return relay(sessions, lambda *_: None, lambda _: 10**6)


def _heartbeat(sessions: Sessions, _: random.Random) -> object:
    with sessions.begin() as session:
        return WorkerRepository(session).heartbeat("wrk_scale", load=0.5)


def _spent(session: Session, chance: random.Random) -> object:
    key_id = f"key_{chance.randrange(1, KEYS)}"
    return CostRepository(session).spent(key_id, *month_of(NEW_YEAR))


def _week(session: Session, _: random.Random) -> object:
    return use_of(session, NEW_YEAR, NEW_YEAR + timedelta(days=7))


def _delete_old(sessions: Sessions, _: random.Random) -> object:
    with sessions.begin() as session:
        rows = OldRowRepository(session)
        return rows.delete_details(rows.jobs_with_details(NO_TIME), NO_TIME)


def _measure(sessions: Sessions, database: Database, action: Action, times: int) -> Figures:
    chance, seconds = random.Random(0), list[float]()
    action(sessions, chance)  # its statement is compiled and its pages are read
    _report_operations(sessions)
    before, own = database.used(), time.process_time()
    for _ in range(times):
        started = time.perf_counter()
        action(sessions, chance)
        seconds.append(time.perf_counter() - started)
    own = time.process_time() - own
    _report_operations(sessions)
    used = database.used() - before
    return Figures(
        p50_ms=round(statistics.median(seconds) * 1000, 2),
        p99_ms=round(percentile(seconds, 99) * 1000, 2),
        database_ms=round(used.cpu_s / times * 1000, 2),
        client_ms=round(own / times * 1000, 2),
        operations=round(used.operations / times, 1),
    )


def _report_operations(sessions: Sessions) -> None:
    """Let the connection that was used, and the server's own processes, count what they did."""
    with sessions() as session:
        session.execute(text("SELECT pg_stat_force_next_flush()"))
    time.sleep(REPORTED_AFTER_S)


def _pause_all(sessions: Sessions) -> None:
    """Pause the jobs that wait or run, because the service would run them."""
    states = "UPDATE jobs SET status = 'paused', lease_until = NULL WHERE status IN "
    with sessions.begin() as session:
        session.execute(text(f"{states} ('queued', 'running')"))


def _polling(database: Database) -> dict[str, float | str]:
    """Send conditional requests to the whole service on this database."""
    settings = {"ZPRUNER_DATABASE_URL": database.url, "ZPRUNER_KEEP_EVENTS_S": "0"}
    with (
        tempfile.TemporaryDirectory(prefix="zp") as name,
        serving(Path(name), **settings) as service,
    ):
        paths, before = submit_paused_jobs(service), database.used()
        load = at_rate(Server.of(service), paths, RATE, LASTS_S)
        used = database.used() - before
    return load.row() | {
        "database_cpu": used.cpu_s / LASTS_S,
        "operations": used.operations / LASTS_S,
    }


def _markdown(report: dict[str, Any]) -> str:
    protocol, polling = report["protocol"], report["polling"]
    rows = [
        "| | p50, ms | p99, ms | CPU of the database, ms | of the client, ms | I/O operations |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name, found in report["figures"].items():
        rows.append(f"| {name} | " + " | ".join(f"{one:,.1f}" for one in found.values()) + " |")
    where = ", ".join(f"{name} {value}" for name, value in report["machine"].items())
    parts = [
        f"PostgreSQL with {protocol['jobs']:,} jobs and ten times as many events, "
        f"{protocol['database_bytes'] / 1e9:.1f} GB, made in {protocol['filled_s']} s; its memory "
        "is that of its default settings. One client, no other load.",
        "\n".join(rows),
        f"Conditional requests at {RATE} a second for {LASTS_S} s, a job renamed each 2 s: p50 "
        f"{polling['p50_ms']:.1f} ms, p99 {polling['p99_ms']:.1f} ms, "
        f"{polling['share_of_304']:.1%} of them 304, {polling['errors']:.0f} errors; the database "
        f"uses {polling['database_cpu']:.2f} of a core and makes {polling['operations']:.0f} "
        "operations a second on its files.",
        f"Measured on: {where}.",
    ]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    main()
