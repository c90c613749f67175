"""Columns and indexes for lists of jobs sorted by accuracy, speed and the bytes of weights."""

import json
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"

BATCH = 1000
NAMES = ("accuracy", "speed", "weights_bytes")
FILTERS = ["created_at", "status", "verdict", "created_by", "method", "model_key", "search"]
JOBS = sa.table("jobs", *map(sa.column, ("id", "status", "spec", "result", *NAMES)))


def upgrade() -> None:
    """Add the columns, fill them for the jobs that have succeeded, and make the indexes."""
    for name in NAMES:
        op.add_column("jobs", sa.Column(name, sa.Double()))
    _fill()
    for name in NAMES:
        known = sa.text(f"{name} IS NOT NULL")
        columns = [name, "id", *FILTERS]
        index = f"ix_jobs_by_{name}"
        op.create_index(index, "jobs", columns, sqlite_where=known, postgresql_where=known)


def downgrade() -> None:
    """Drop the indexes and the columns."""
    for name in NAMES:
        op.drop_index(f"ix_jobs_by_{name}", "jobs")
        op.drop_column("jobs", name)


def _fill() -> None:
    change = sa.update(JOBS).where(JOBS.c.id == sa.bindparam("row"))
    change = change.values({name: sa.bindparam(f"new_{name}") for name in NAMES})
    texts = (sa.cast(JOBS.c[name], sa.Text).label(name) for name in ("spec", "result"))
    query = sa.select(JOBS.c.id, *texts)
    query = query.where(JOBS.c.status == "succeeded").order_by(JOBS.c.id).limit(BATCH)
    last = ""
    while rows := op.get_bind().execute(query.where(JOBS.c.id > last)).all():
        op.get_bind().execute(change, [{"row": row.id} | _values(row) for row in rows])
        last = rows[-1].id


def _values(row: Any) -> dict[str, float | None]:
    result, tasks = json.loads(row.result or "{}") or {}, json.loads(row.spec).get("tasks") or []
    accuracies = [_number(_group(result, "acc").get(name)) for name in tasks]
    known = [share for share in accuracies if share is not None]
    return {
        "new_accuracy": sum(known) / len(known) if known else None,
        "new_speed": _number(_group(result, "speed").get("decode_ratio")),
        "new_weights_bytes": _number(result.get("weights_bytes")),
    }


def _group(result: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    group = result.get(name)
    return group if isinstance(group, Mapping) else {}


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
