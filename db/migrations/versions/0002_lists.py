"""Columns and indexes for filtering lists."""

import json
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

BATCH = 1000
JOBS = sa.table("jobs", *map(sa.column, ("id", "name", "method", "model_key", "search")))
LISTED = ["created_at", "id", "status", "method", "model_key", "search"]
OF_A_STATUS = ["status", "created_at", "id", "method", "model_key", "search"]


def upgrade() -> None:
    """Add the columns, fill them from the specifications, make the indexes."""
    # Added one by one: rebuilding the table, as SQLite changes others, would delete what refers
    # to its rows.
    op.add_column("jobs", sa.Column("parent_id", sa.String(40)))
    for name, kind in (
        ("method", sa.String(32)),
        ("model_key", sa.String(256)),
        ("search", sa.Text()),
    ):
        op.add_column("jobs", sa.Column(name, kind, nullable=False, server_default=sa.text("''")))
    _fill()
    op.drop_index("ix_jobs_status_id", "jobs")
    op.create_index("ix_jobs_listed", "jobs", LISTED)
    op.create_index("ix_jobs_of_a_status", "jobs", OF_A_STATUS)
    op.create_index("ix_jobs_status_method", "jobs", ["status", "method"])
    op.create_index("ix_jobs_parent_id", "jobs", ["parent_id"])


def downgrade() -> None:
    """Drop the indexes and the columns."""
    for name in ("listed", "of_a_status", "status_method", "parent_id"):
        op.drop_index(f"ix_jobs_{name}", "jobs")
    for name in ("search", "model_key", "method", "parent_id"):
        op.drop_column("jobs", name)
    op.create_index("ix_jobs_status_id", "jobs", ["status", "id"])


def _fill() -> None:
    change = (
        sa.update(JOBS)
        .where(JOBS.c.id == sa.bindparam("row"))
        .values({name: sa.bindparam(name) for name in ("method", "model_key", "search")})
    )
    for rows in _batches():
        op.get_bind().execute(change, [_found_by(*row) for row in rows])


def _batches() -> Iterator[list[Any]]:
    last = ""
    query = sa.text(
        "SELECT id, CAST(spec AS TEXT), name FROM jobs WHERE id > :last ORDER BY id LIMIT :batch"
    )
    while rows := list(op.get_bind().execute(query, {"last": last, "batch": BATCH})):
        yield rows
        last = rows[-1][0]


def _found_by(job_id: str, spec: str, name: str | None) -> dict[str, str]:
    read = json.loads(spec)
    written = read["model"].encode()
    key = read["model"] if len(written) <= 256 else f"sha256:{sha256(written).hexdigest()}"
    search = f"{name or ''}\n{read['model']}".lower().encode()[:1024].decode(errors="ignore")
    return {"row": job_id, "method": read["method"], "model_key": key, "search": search}
