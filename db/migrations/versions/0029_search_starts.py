"""The jobs whose searches those of other jobs start from."""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"


def upgrade() -> None:
    """Add the column; no earlier job could name another job's search."""
    op.add_column("jobs", sa.Column("search_job_id", sa.String(40)))
    op.create_index("ix_jobs_search_job_id", "jobs", ["search_job_id"])


def downgrade() -> None:
    """Drop what `upgrade` adds."""
    op.drop_index("ix_jobs_search_job_id", "jobs")
    op.drop_column("jobs", "search_job_id")
