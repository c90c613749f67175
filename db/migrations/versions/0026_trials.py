"""Trials: prompts that both models of a finished job continue."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"

ID = sa.String(40)


def upgrade() -> None:
    """Create the table; the jobs that answer trials are rows of ``jobs``."""
    op.create_table(
        "trials",
        sa.Column(
            "job_id",
            ID,
            sa.ForeignKey("jobs.id", ondelete="CASCADE", name="fk_trials_job_id_jobs"),
            nullable=False,
        ),
        sa.Column("tried_id", ID, nullable=False),
        sa.Column("prompt", sa.Text(), nullable=False),
        sa.Column("max_tokens", sa.Integer(), nullable=False),
        sa.Column("seed", sa.BigInteger()),
        sa.PrimaryKeyConstraint("job_id", name="pk_trials"),
    )
    op.create_index("ix_trials_listed", "trials", ["tried_id", "job_id"])


def downgrade() -> None:
    """Delete the trials and the jobs that answer them, which an older version would list."""
    op.drop_table("trials")
    op.execute("DELETE FROM jobs WHERE method = 'trial'")
