"""A column and an index for lists of jobs sorted by how much their models were reduced."""

import json
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"

BATCH = 1000
INDEX = "ix_jobs_by_reduction"
COLUMNS = ["reduction", "id", "created_at", "status"]
FILTERS = ["verdict", "created_by", "method", "model_key", "search"]
JOBS = sa.table("jobs", *map(sa.column, ("id", "status", "result", "reduction")))


def upgrade() -> None:
    """Add the column, fill it for the jobs that have succeeded, and make the index."""
    op.add_column("jobs", sa.Column("reduction", sa.Double()))
    _fill()
    known = sa.text("reduction IS NOT NULL")
    columns = [*COLUMNS, *FILTERS]
    op.create_index(INDEX, "jobs", columns, sqlite_where=known, postgresql_where=known)


def downgrade() -> None:
    """Drop the index and the column."""
    op.drop_index(INDEX, "jobs")
    op.drop_column("jobs", "reduction")


def _fill() -> None:
    change = sa.update(JOBS).where(JOBS.c.id == sa.bindparam("row"))
    change = change.values(reduction=sa.bindparam("share"))
    query = sa.select(JOBS.c.id, sa.cast(JOBS.c.result, sa.Text).label("result"))
    query = query.where(JOBS.c.status == "succeeded").order_by(JOBS.c.id).limit(BATCH)
    last = ""
    while rows := op.get_bind().execute(query.where(JOBS.c.id > last)).all():
        shares = [
            {"row": row.id, "share": _reduction(json.loads(row.result or "{}") or {})}
            for row in rows
        ]
        op.get_bind().execute(change, shares)
        last = rows[-1].id


def _reduction(result: Mapping[str, Any]) -> float | None:
    """Return the share of the dense model that was saved: removed, zeros, or bits of 16."""
    left, gone = _number(result.get("parameters")), _number(result.get("parameters_removed"))
    zeros = _number(result.get("sparsity"))
    removed = gone / (left + gone) if left is not None and gone else None
    if removed is None and zeros is None:
        return None
    binarized, quantized = _bits(result, "binarization"), _bits(result, "quantization")
    if binarized is not None:
        zeros = 1 - binarized / 16
    saved = 0.0
    for share in (removed, zeros, None if quantized is None else 1 - quantized / 16):
        saved += (share or 0.0) * (1 - saved)
    return saved


def _bits(result: Mapping[str, Any], group: str) -> float | None:
    return _number((result.get(group) or {}).get("bits_per_weight"))


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
