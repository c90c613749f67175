"""Deadlines of jobs."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the deadline and its index."""
    op.add_column("jobs", sa.Column("deadline", sa.DateTime(timezone=True)))
    op.create_index("ix_jobs_deadline", "jobs", ["deadline"])


def downgrade() -> None:
    """Drop what `upgrade` adds."""
    op.drop_index("ix_jobs_deadline", "jobs")
    op.drop_column("jobs", "deadline")
