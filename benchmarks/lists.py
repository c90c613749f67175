"""Measure list queries over 200,000 jobs on SQLite and PostgreSQL: `python -m benchmarks.lists`."""

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, insert, text
from sqlalchemy.orm import Session

from benchmarks.machine import machine
from db.core.ids import new_id
from db.core.session import Sessions, open_sessions
from db.core.sort_key import SortKey, SortMetric
from db.core.states import JobState
from db.jobs.listing import JobFilter
from db.jobs.repository import JobRepository
from db.jobs.search import search_columns
from db.schema.migration import migrate
from db.spec.prune_spec import PruneSpec
from db.spec.pruning.methods import MethodName
from db.tables.jobs import Job
from db.tables.labels import JobLabel
from tests.db.jobs.plans import plans
from tests.db.postgres import admin, running_postgres

RESULTS = Path(__file__).parent / "results"
NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
BATCH, LIMIT = 5000, 51
Query = Callable[[Session, random.Random], object]


def _page(**fields: Any) -> Query:
    return lambda session, _: JobRepository(session).page(JobFilter(**fields), limit=LIMIT)


def _deep(session: Session, chance: random.Random) -> object:
    place = SortKey(NEW_YEAR + timedelta(seconds=chance.randrange(200_000)), "job_")
    return JobRepository(session).page(limit=LIMIT, after=place)


def _moment(session: Session, chance: random.Random) -> object:
    after = NEW_YEAR + timedelta(seconds=chance.randrange(200_000))
    return JobRepository(session).page(
        JobFilter(created_after=after), limit=LIMIT, oldest_first=True
    )


QUERIES: dict[str, Query] = {
    "newest": _page(),
    "from anywhere": _deep,
    "since a moment": _moment,
    "one status": _page(statuses=(JobState.failed,)),
    "a rare status": _page(statuses=(JobState.cancelled,)),
    "two statuses": _page(statuses=(JobState.failed, JobState.cancelled)),
    "one model": _page(model="org/model-1"),
    "one method": _page(method=MethodName.wanda),
    "one label": _page(labels=(("team", "nlp"),)),
    "a rare label": _page(labels=(("team", "one"),)),
    "text in a name": _page(text="model-3"),
    "status, method and text": _page(
        statuses=(JobState.succeeded,), method=MethodName.wanda, text="number 1"
    ),
    "reruns of a job": _page(parent_id=new_id("job")),
    "by perplexity": lambda session, _: JobRepository(session).sorted_page(
        SortMetric.perplexity, limit=LIMIT
    ),
    "by perplexity, status and text": lambda session, _: JobRepository(session).sorted_page(
        SortMetric.perplexity,
        JobFilter(statuses=(JobState.succeeded,), text="number 1"),
        limit=LIMIT,
        descending=True,
    ),
    "part of an id": lambda session, _: JobRepository(session).page(
        JobFilter(text=new_id("job")[-8:]), limit=LIMIT
    ),
    "of a key": _page(created_by="key_1"),
    "facets": lambda session, _: JobRepository(session).facets(),
}


def main() -> None:
    """Measure, print JSON, and write JSON and Markdown to `benchmarks/results`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lists", description=__doc__)
    parser.add_argument("--jobs", type=int, default=200_000)
    parser.add_argument("--times", type=int, default=200)
    given = parser.parse_args()
    figures, explained = {}, {}
    for name, database in {"SQLite": _sqlite, "PostgreSQL": _postgres}.items():
        with database() as url:
            migrate(url)
            sessions = open_sessions(url)
            _fill(sessions, given.jobs)
            figures[name] = {query: _p99_ms(sessions, query, given.times) for query in QUERIES}
            explained[name] = {query: _plan(sessions, query) for query in QUERIES}
            sessions.kw["bind"].dispose()
    _write(given, figures, explained)


@contextmanager
def _sqlite() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        yield f"sqlite:///{folder}/jobs.db"


@contextmanager
def _postgres() -> Iterator[str]:
    with ExitStack() as stack:
        folder = stack.enter_context(running_postgres())
        with admin(folder) as connection:
            connection.execute("CREATE DATABASE jobs")
        yield f"postgresql+psycopg://postgres@/jobs?host={folder}"


def _fill(sessions: Sessions, number: int) -> None:
    """Insert ``number`` jobs, and update the statistics that the database's query planner uses."""
    for start in range(0, number, BATCH):
        print(f"{start} jobs", file=sys.stderr, end="\r", flush=True)
        with sessions.begin() as session:
            rows = [_row(start + index) for index in range(BATCH)]
            session.execute(insert(Job), rows)
            session.execute(insert(JobLabel), [_label(row) for row in rows])
    engine: Engine = sessions.kw["bind"]
    command = "VACUUM ANALYZE" if engine.dialect.name == "postgresql" else "ANALYZE"
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(command))


def _label(row: dict[str, Any]) -> dict[str, Any]:
    value = "one" if row["status"] is JobState.cancelled else "nlp"
    fields = {"job_id": row["id"], "name": "team", "value": value}
    return fields | {"created_at": row["created_at"]}


def _row(index: int) -> dict[str, Any]:
    method = ("zpruner", "wanda", "ria")[index % 3]
    fields = {"model": f"org/model-{index % 50}", "dataset": "c4", "sparsity": 0.5}
    spec = PruneSpec.model_validate(fields | {"method": method})
    status = JobState.failed if index % 20 == 0 else JobState.succeeded
    perplexity = None if status is JobState.failed else 5 + index * 7919 % 100_003 / 1000
    return {
        "id": new_id("job"),
        "spec": spec,
        "name": f"number {index}",
        "status": JobState.cancelled if index % 5000 == 0 else status,
        "created_at": NEW_YEAR + timedelta(seconds=index),
        "created_by": f"key_{index % 5}",
        "perplexity": perplexity,
        **search_columns(spec, f"number {index}"),
    }


def _p99_ms(sessions: Sessions, query: str, times: int) -> float:
    chance, seconds = random.Random(0), []
    for _ in range(times):
        started = time.perf_counter()
        with sessions() as session:
            QUERIES[query](session, chance)
        seconds.append(time.perf_counter() - started)
    return statistics.quantiles(seconds, n=100)[98] * 1000


def _plan(sessions: Sessions, query: str) -> list[str]:
    with sessions() as session, plans(sessions) as found:
        QUERIES[query](session, random.Random(0))
    return found


def _write(
    given: argparse.Namespace,
    figures: dict[str, dict[str, float]],
    explained: dict[str, dict[str, list[str]]],
) -> None:
    report = {"machine": machine(), "protocol": vars(given), "p99_ms": figures, "plans": explained}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "lists.json").write_text(json.dumps(report, indent=2) + "\n")
    (RESULTS / "lists.md").write_text(_markdown(given, figures, explained))
    print(_table(figures), file=sys.stderr)
    print(json.dumps(report))


def _markdown(
    given: argparse.Namespace,
    figures: dict[str, dict[str, float]],
    explained: dict[str, dict[str, list[str]]],
) -> str:
    where = ", ".join(f"{name} {value}" for name, value in machine().items())
    parts = [
        f"p99 in milliseconds of {given.times} lists of {LIMIT} out of {given.jobs:,} jobs.",
        _table(figures),
        f"Measured on: {where}.",
    ]
    for name, query_plans in explained.items():
        parts.append(f"## Plans of {name}")
        for query, found in query_plans.items():
            parts.append(f"{query}\n\n```\n" + "\n\n".join(found) + "\n```")
    return "\n\n".join(parts) + "\n"


def _table(figures: dict[str, dict[str, float]]) -> str:
    rows = ["| | " + " | ".join(figures) + " |", "|---|" + "---:|" * len(figures)]
    for query in QUERIES:
        cells = " | ".join(f"{each[query]:.1f}" for each in figures.values())
        rows.append(f"| {query} | {cells} |")
    return "\n".join(rows)


if __name__ == "__main__":
    main()
