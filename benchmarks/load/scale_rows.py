"""The rows of `benchmarks.scale`, made by SQL."""

import json
import sys
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from db.core.session import Sessions
from db.jobs.search import search_columns
from db.spec.prune_spec import PruneSpec

MODELS, METHODS, KEYS = 50, ("zpruner", "wanda", "ria"), 20
QUEUED, RUNNING = 2000, 200
"""How many of the newest jobs wait and run; half of those that wait are those of one key."""

JOBS = """
INSERT INTO jobs (id, spec, name, labels, queue, priority, created_by, method, model_key, search,
  spec_digest, verdict, status, progress, attempt, crashes, worker, leased_at, lease_until,
  created_at, updated_at, started_at, finished_at, result, perplexity, reduction, seconds,
  size_bytes, hourly_price, currency, warnings, version)
SELECT id, spec, name, json_build_object('team', team)::jsonb, 'gpu', 0, key, method, model_key,
  search || ' ' || name, spec_digest, CASE WHEN ended AND NOT failed THEN 'pass' ELSE 'none' END,
  CASE WHEN queued THEN 'queued' WHEN running THEN 'running' WHEN n % 5000 = 0 THEN 'cancelled'
    WHEN failed THEN 'failed' ELSE 'succeeded' END,
  CASE WHEN ended THEN 1 ELSE 0 END, CASE WHEN queued THEN 0 ELSE 1 END, 0,
  CASE WHEN queued THEN NULL ELSE 'gpu@scale' END,
  CASE WHEN running THEN now() END, CASE WHEN running THEN now() + interval '1 day' END,
  made, made + CASE WHEN ended THEN interval '100 s' ELSE interval '0' END,
  CASE WHEN queued THEN NULL ELSE made + interval '10 s' END,
  CASE WHEN ended THEN made + interval '100 s' END,
  CASE WHEN ended AND NOT failed THEN '{"sparsity": 0.5, "perplexity_ratio": 1.1}'::json END,
  CASE WHEN ended AND NOT failed THEN 5 + n::bigint * 7919 % 100003 / 1000.0 END,
  CASE WHEN ended AND NOT failed THEN 0.5 END, CASE WHEN ended AND NOT failed THEN 90 END,
  CASE WHEN ended AND NOT failed THEN 16000000000 END, 2.5, 'USD', '[]', 5
FROM (
  SELECT n, kinds.*, 'job_' || lpad(to_hex(1767225600000 + n * 1000), 12, '0')
      || substr(md5(n::text), 1, 20) AS id,
    'number ' || n AS name, 'team-' || n % 7 AS team,
    'key_' || CASE WHEN n > :jobs - :queued AND n % 2 = 0 THEN 0 ELSE n % :keys END AS key,
    timestamptz '2026-01-01 00:00:00Z' + n * interval '1 s' AS made,
    n > :jobs - :queued AS queued,
    n <= :jobs - :queued AND n > :jobs - :queued - :running AS running,
    n <= :jobs - :queued - :running AS ended, n % 20 = 0 AS failed
  FROM generate_series(1, :jobs) AS n JOIN kinds ON kinds.kind = n % :kinds
) AS made
"""
EVENT_ROWS = """
INSERT INTO job_events (job_id, seq, at, kind, status, phase, attempt, data, position)
SELECT jobs.id, seq, jobs.created_at + seq * interval '10 s',
  CASE WHEN seq IN (1, 2, 10) THEN 'status' WHEN seq < 6 THEN 'phase' ELSE 'progress' END,
  CASE WHEN seq = 1 THEN 'queued' WHEN seq = 10 THEN jobs.status ELSE 'running' END,
  CASE WHEN seq IN (1, 2, 10) THEN NULL ELSE 'pruning' END, CASE WHEN seq = 1 THEN 0 ELSE 1 END,
  CASE WHEN seq = 2 THEN '{"worker": "gpu@scale", "device": "cuda"}'
    WHEN seq > 5 THEN '{"fraction": 0.5, "block": {"index": 7, "total": 32, "name": "layers.7"}}'
    ELSE '{}' END::json,
  row_number() OVER (ORDER BY jobs.created_at, jobs.id, seq)
FROM jobs CROSS JOIN generate_series(1, 10) AS seq
WHERE seq <= CASE jobs.status WHEN 'queued' THEN 1 WHEN 'running' THEN 9 ELSE 10 END
"""
REST = (
    "INSERT INTO job_labels SELECT id, 'team', labels->>'team', created_at FROM jobs",
    "INSERT INTO key_turns (created_by, turn) SELECT DISTINCT created_by, 0 FROM jobs",
    "UPDATE event_counter SET last = (SELECT max(position) FROM job_events)",
    "INSERT INTO workers (id, name, hostname, pid, queues, version, started_at, heartbeat_at, "
    "draining) VALUES ('wrk_scale', 'gpu@scale', 'scale', 7, '[\"gpu\"]', '1', now(), now(), "
    "false)",
)


def fill(sessions: Sessions, jobs: int) -> None:
    """Insert the rows without their indexes, which are made afterwards, and without checks."""
    with sessions.begin() as session:
        session.execute(text("SET LOCAL session_replication_role = replica"))
        session.execute(text("SET LOCAL maintenance_work_mem = '512MB'"))
        session.execute(text("SET LOCAL work_mem = '256MB'"))
        session.execute(text("SET LOCAL statement_timeout = 0"))
        indexes = session.execute(
            text(
                "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' AND "
                "tablename IN ('jobs', 'job_events') AND indexname NOT LIKE 'pk_%'"
            )
        ).all()
        for name, _ in indexes:
            session.execute(text(f"DROP INDEX {name}"))
        _insert(session, jobs)
        for name, definition in indexes:
            print(name, file=sys.stderr, flush=True)
            session.execute(text(definition))
    with sessions.kw["bind"].connect().execution_options(isolation_level="AUTOCOMMIT") as direct:
        direct.execute(text("VACUUM ANALYZE"))


def _insert(session: Session, jobs: int) -> None:
    session.execute(
        text(
            "CREATE TEMP TABLE kinds (kind int, spec jsonb, method text, model_key text, "
            "search text, spec_digest text) ON COMMIT DROP"
        )
    )
    rows = [kind(number) for number in range(MODELS * len(METHODS))]
    names = ", ".join(f":{name}" for name in rows[0]).replace(":spec,", "CAST(:spec AS jsonb),")
    session.execute(text(f"INSERT INTO kinds VALUES ({names})"), rows)
    sizes = {"jobs": jobs, "queued": QUEUED, "running": RUNNING, "keys": KEYS, "kinds": len(rows)}
    session.execute(text(JOBS), sizes)
    print("jobs", file=sys.stderr, flush=True)
    session.execute(text(EVENT_ROWS))
    print("events", file=sys.stderr, flush=True)
    for statement in REST:
        session.execute(text(statement))


def kind(number: int) -> dict[str, Any]:
    fields = {"model": f"org/model-{number % MODELS}", "dataset": "c4", "sparsity": 0.5}
    spec = PruneSpec.model_validate(fields | {"method": METHODS[number % len(METHODS)]})
    columns = search_columns(spec, None)
    document = json.dumps(spec.model_dump(mode="json"))
    ordered = ("method", "model_key", "search", "spec_digest")
    return {"kind": number, "spec": document} | {name: columns[name] for name in ordered}
