"""The rows of `benchmarks.load.scale_rows` for SQLite."""

import json
import sqlite3
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import md5
from itertools import count
from pathlib import Path
from typing import Any

from benchmarks.load.scale_rows import KEYS, METHODS, MODELS, QUEUED, RUNNING, kind

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
"""In UTC, as SQLite stores it."""
JOB = (
    *("id", "spec", "name", "labels", "queue", "priority", "created_by", "method", "model_key"),
    *("search", "spec_digest", "verdict", "status", "progress", "attempt", "crashes", "worker"),
    *("leased_at", "lease_until", "created_at", "updated_at", "started_at", "finished_at"),
    *("result", "perplexity", "reduction", "seconds", "size_bytes", "hourly_price", "currency"),
    *("warnings", "version"),
)
EVENT = ("job_id", "seq", "at", "kind", "status", "phase", "attempt", "data", "position")
PROGRESS = '{"fraction": 0.5, "block": {"index": 7, "total": 32, "name": "layers.7"}}'
DATA = ["{}", '{"worker": "gpu@scale", "device": "cuda"}', "{}", "{}", "{}", *[PROGRESS] * 4, "{}"]
REST = (
    "INSERT INTO job_labels SELECT id, 'team', labels->>'team', created_at FROM jobs",
    "INSERT INTO key_turns (created_by, turn) SELECT DISTINCT created_by, 0 FROM jobs",
    "UPDATE event_counter SET last = (SELECT max(position) FROM job_events)",
)


def fill(file: Path, jobs: int) -> None:
    """Insert the rows without their indexes and triggers, which are made afterwards."""
    with sqlite3.connect(file) as database:
        database.execute("PRAGMA synchronous=OFF")
        database.execute("PRAGMA cache_size=-400000")
        made = database.execute(
            "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL AND "
            "type IN ('index', 'trigger') AND tbl_name IN ('jobs', 'job_events')"
        ).fetchall()
        for what, name, _ in made:
            database.execute(f"DROP {what} {name}")
        _insert(database, "jobs", JOB, _jobs(jobs))
        _insert(database, "job_events", EVENT, _events(jobs))
        for statement in (*REST, *(sql for _, _, sql in made)):
            print(statement[:60], file=sys.stderr, flush=True)
            database.execute(statement)
        database.execute("ANALYZE")


def _insert(
    database: sqlite3.Connection, table: str, names: tuple[str, ...], rows: Iterator[Any]
) -> None:
    print(table, file=sys.stderr, flush=True)
    marks = ", ".join("?" * len(names))
    database.executemany(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})", rows)


def _state(n: int, jobs: int) -> str:
    if n > jobs - QUEUED:
        return "queued"
    if n > jobs - QUEUED - RUNNING:
        return "running"
    if n % 5000 == 0:
        return "cancelled"
    return "failed" if n % 20 == 0 else "succeeded"


def job_id(n: int) -> str:
    return f"job_{1767225600000 + n * 1000:012x}{md5(str(n).encode()).hexdigest()[:20]}"


def _at(n: int, seconds: float = 0) -> str:
    return f"{BEGIN + timedelta(seconds=n + seconds):%F %T}.000000"


def _jobs(jobs: int) -> Iterator[tuple[Any, ...]]:
    kinds = [kind(number) for number in range(MODELS * len(METHODS))]
    for n in range(1, jobs + 1):
        one, state, name = kinds[n % len(kinds)], _state(n, jobs), f"number {n}"
        key = 0 if state == "queued" and n % 2 == 0 else n % KEYS
        ended = state not in {"queued", "running"}
        good = ended and n % 20 != 0
        lease = (_at(n), "2099-01-01 00:00:00.000000") if state == "running" else (None, None)
        yield (
            *(job_id(n), one["spec"], name, json.dumps({"team": f"team-{n % 7}"}), "gpu", 0),
            *(f"key_{key}", one["method"], one["model_key"], f"{one['search']} {name}"),
            *(one["spec_digest"], "pass" if good else "none", state, float(ended)),
            *(int(state != "queued"), 0, None if state == "queued" else "gpu@scale"),
            *lease,
            *(_at(n), _at(n, 100 * ended), None if state == "queued" else _at(n, 10)),
            _at(n, 100) if ended else None,
            '{"sparsity": 0.5, "perplexity_ratio": 1.1}' if good else None,
            *((5 + n * 7919 % 100003 / 1000, 0.5, 90.0, 16 * 10**9) if good else [None] * 4),
            *(2.5, "USD", "[]", 5),
        )


def _events(jobs: int) -> Iterator[tuple[Any, ...]]:
    position = count(1)
    for n in range(1, jobs + 1):
        job, state = job_id(n), _state(n, jobs)
        for seq in range(1, {"queued": 1, "running": 9}.get(state, 10) + 1):
            told = "status" if seq in {1, 2, 10} else "phase" if seq < 6 else "progress"
            status = {1: "queued", 10: state}.get(seq, "running")
            phase = None if told == "status" else "pruning"
            attempt = int(seq > 1)
            yield (
                *(job, seq, _at(n, 10 * seq), told, status, phase, attempt),
                *(DATA[seq - 1], next(position)),
            )
