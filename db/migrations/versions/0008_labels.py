"""Labels, indexed for lists."""

import json
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

BATCH = 1000
TIME = sa.DateTime(timezone=True)
LABELS = sa.table(
    "job_labels", *map(sa.column, ("job_id", "name", "value")), sa.column("created_at", TIME)
)
JOBS = sa.table("jobs", sa.column("id"), sa.column("labels"), sa.column("created_at", TIME))


def upgrade() -> None:
    """Make the table and fill it from the jobs there are."""
    op.create_table(
        "job_labels",
        sa.Column("job_id", sa.String(40), nullable=False),
        sa.Column("name", sa.String(63), nullable=False),
        sa.Column("value", sa.String(200), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("job_id", "name", name="pk_job_labels"),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name="fk_job_labels_job_id_jobs", ondelete="CASCADE"
        ),
    )
    for rows in _batches():
        found = [
            {"job_id": job_id, "name": name, "value": str(value), "created_at": created_at}
            for job_id, labels, created_at in rows
            for name, value in json.loads(labels).items()
        ]
        if found:
            op.get_bind().execute(sa.insert(LABELS), found)
    op.create_index("ix_job_labels_found", "job_labels", ["name", "value", "created_at", "job_id"])


def downgrade() -> None:
    """Drop what `upgrade` adds."""
    op.drop_table("job_labels")


def _batches() -> Iterator[list[Any]]:
    last = ""
    query = sa.select(JOBS.c.id, sa.cast(JOBS.c.labels, sa.Text), JOBS.c.created_at)
    while rows := list(
        op.get_bind().execute(query.where(JOBS.c.id > last).order_by(JOBS.c.id).limit(BATCH))
    ):
        yield rows
        last = rows[-1][0]
