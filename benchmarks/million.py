"""Measure what reads much of a million jobs, on SQLite and PostgreSQL.

`python -m benchmarks.million` makes the rows, which takes minutes and about 14 GB of disk.
"""

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from benchmarks.lists import LIMIT, NEW_YEAR, RESULTS
from benchmarks.load import scale_rows, sqlite_rows
from benchmarks.load.database import running_database
from benchmarks.load.figures import percentile
from benchmarks.machine import machine
from db.core.session import Sessions, open_sessions
from db.jobs.costs import CostRepository, month_of
from db.jobs.listing import JobFilter
from db.jobs.repository import JobRepository
from db.jobs.use import use_of
from db.schema.migration import migrate
from db.use_sums import correct_sums

GOALS_MS = {"part of an id": 50, "what a key has spent in the month": 50, "use of a week": 500}
Figures = dict[str, dict[str, float]]
"""The p50 and the p99 of each question, in milliseconds."""


def main() -> None:
    """Measure, print JSON, and write JSON and Markdown to `benchmarks/results`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.million", description=__doc__)
    parser.add_argument("--jobs", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument(
        "--earlier", type=Path, help="the JSON of an earlier version, which the table has as well"
    )
    given = parser.parse_args()
    figures = {}
    for name, database in {"SQLite": _sqlite, "PostgreSQL": _postgresql}.items():
        with database(given.jobs) as sessions:
            figures[name] = _measure(sessions, given.jobs, given.times)
    earlier = json.loads(given.earlier.read_text())["figures"] if given.earlier else None
    report = {
        "machine": machine(),
        "protocol": {"jobs": given.jobs, "times": given.times},
        "figures": figures,
        "earlier": earlier,
    }
    (RESULTS / "million.json").write_text(json.dumps(report, indent=2) + "\n")
    (RESULTS / "million.md").write_text(_markdown(report))
    print(json.dumps(report))


@contextmanager
def _sqlite(jobs: int) -> Iterator[Sessions]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "jobs.db"
        migrate(f"sqlite:///{file}")
        sqlite_rows.fill(file, jobs)
        with _summed(f"sqlite:///{file}") as sessions:
            yield sessions


@contextmanager
def _postgresql(jobs: int) -> Iterator[Sessions]:
    with running_database() as database:
        migrate(database.url)
        sessions = open_sessions(database.url)
        scale_rows.fill(sessions, jobs)
        sessions.kw["bind"].dispose()
        with _summed(database.url) as sessions:
            database.wait_for_disk()
            yield sessions


@contextmanager
def _summed(url: str) -> Iterator[Sessions]:
    """Make the sums of the rows, which were inserted by SQL."""
    sessions, began = open_sessions(url), time.monotonic()
    print(correct_sums(url), f"{time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    yield sessions
    sessions.kw["bind"].dispose()


def _measure(sessions: Sessions, jobs: int, times: int) -> Figures:
    figures: Figures = {}
    for name, question in _questions(jobs).items():
        chance, milliseconds = random.Random(0), list[float]()
        for _ in range(times + 1):
            began = time.perf_counter()
            with sessions() as session:
                question(session, chance)
            milliseconds.append((time.perf_counter() - began) * 1000)
            if sum(milliseconds) > MOST_MS and len(milliseconds) > FEWEST:
                break
        del milliseconds[0]  # its statement is compiled and its pages are read
        figures[name] = {
            "p50": round(statistics.median(milliseconds), 1),
            "p99": round(percentile(milliseconds, 99), 1),
        }
        print(name, figures[name], len(milliseconds), file=sys.stderr, flush=True)
    return figures


MOST_MS, FEWEST = 60_000, 3
"""A question that takes longer than a minute in all is asked less often."""


def _questions(jobs: int) -> dict[str, Callable[[Session, random.Random], object]]:
    def part(session: Session, chance: random.Random) -> object:
        # Of the random part of an id: a search by its begin finds a thousand jobs at a time.
        wanted = sqlite_rows.job_id(chance.randrange(1, jobs))[-16:-8]
        found = JobRepository(session).page(JobFilter(text=wanted), limit=LIMIT)
        assert found
        return found

    def spent(session: Session, chance: random.Random) -> object:
        key_id = f"key_{chance.randrange(1, scale_rows.KEYS)}"
        return CostRepository(session).spent(key_id, *month_of(NEW_YEAR))

    def week(session: Session, _: random.Random) -> object:
        use = use_of(session, NEW_YEAR, NEW_YEAR + timedelta(days=7))
        assert use.total.jobs > 0
        return use

    return dict(zip(GOALS_MS, (part, spent, week), strict=True))


def _markdown(report: dict[str, Any]) -> str:
    protocol, runs = report["protocol"], {"before": report["earlier"], "now": report["figures"]}
    columns = [
        (f"{database}, {when}", figures[database])
        for database in report["figures"]
        for when, figures in runs.items()
        if figures is not None
    ]
    rows = ["| | " + " | ".join(title for title, _ in columns) + " | goal |"]
    rows.append("|---|" + "---:|" * (len(columns) + 1))
    for name, goal in GOALS_MS.items():
        cells = (_cell(found.get(name)) for _, found in columns)
        rows.append(f"| {name} | " + " | ".join(cells) + f" | {goal} |")
    where = ", ".join(f"{name} {value}" for name, value in report["machine"].items())
    return (
        f"p50 and p99 in milliseconds, {protocol['jobs']:,} jobs and ten times as many events, "
        f"{protocol['times']} times each (what takes a minute in all, less often).\n\n"
        + "\n".join(rows)
        + f"\n\nMeasured on: {where}.\n"
    )


def _cell(found: dict[str, float] | None) -> str:
    return "" if found is None else f"{found['p50']:,.1f}, {found['p99']:,.1f}"


if __name__ == "__main__":
    main()
