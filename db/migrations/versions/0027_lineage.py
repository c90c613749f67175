"""The jobs whose results are the models of other jobs."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"


def upgrade() -> None:
    """Add the columns; no earlier job could name another job's result as its model."""
    op.add_column("jobs", sa.Column("model_job_id", sa.String(40)))
    op.add_column("jobs", sa.Column("lineage", sa.JSON()))
    op.create_index("ix_jobs_model_job_id", "jobs", ["model_job_id"])


def downgrade() -> None:
    """Drop what `upgrade` adds."""
    op.drop_index("ix_jobs_model_job_id", "jobs")
    for name in ("lineage", "model_job_id"):
        op.drop_column("jobs", name)
