"""Responses by idempotency key, and the digest that identifies identical jobs."""

import json
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

BATCH = 1000
TIME = sa.DateTime(timezone=True)
JOBS = sa.table("jobs", sa.column("id"), sa.column("spec_digest"))


def upgrade() -> None:
    """Make the table; add the digest of each specification and its index."""
    op.create_table(
        "answers",
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("request_digest", sa.String(64), nullable=False),
        sa.Column("job_id", sa.String(40), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_answers"),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name="fk_answers_job_id_jobs", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_answers_job_id", "answers", ["job_id"])
    digest = sa.Column("spec_digest", sa.String(64), nullable=False, server_default=sa.text("''"))
    op.add_column("jobs", digest)
    _fill()
    op.create_index("ix_jobs_spec_digest_status", "jobs", ["spec_digest", "status"])


def downgrade() -> None:
    """Drop what `upgrade` adds."""
    op.drop_index("ix_jobs_spec_digest_status", "jobs")
    op.drop_column("jobs", "spec_digest")
    op.drop_table("answers")


def _fill() -> None:
    change = sa.update(JOBS).where(JOBS.c.id == sa.bindparam("row"))
    change = change.values(spec_digest=sa.bindparam("digest"))
    for rows in _batches():
        digests = [{"row": job_id, "digest": _digest(spec)} for job_id, spec in rows]
        op.get_bind().execute(change, digests)


def _batches() -> Iterator[list[Any]]:
    last = ""
    query = sa.text(
        "SELECT id, CAST(spec AS TEXT) FROM jobs WHERE id > :last ORDER BY id LIMIT :batch"
    )
    while rows := list(op.get_bind().execute(query, {"last": last, "batch": BATCH})):
        yield rows
        last = rows[-1][0]


def _digest(spec: str) -> str:
    written = json.dumps(json.loads(spec), sort_keys=True, separators=(",", ":"))
    return sha256(written.encode()).hexdigest()
