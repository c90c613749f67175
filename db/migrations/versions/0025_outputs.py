"""Outputs: the targets that jobs' results are sent to."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    """Create the table."""
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "outputs",
        sa.Column("job_id", sa.String(40), nullable=False),
        sa.Column("index", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("target", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", moment),
        sa.Column("lease_until", moment),
        sa.Column("noted_at", moment, nullable=False),
        sa.Column("bytes_sent", sa.BigInteger(), nullable=False),
        sa.Column("bytes_total", sa.BigInteger(), nullable=False),
        sa.Column("files_sent", sa.Integer(), nullable=False),
        sa.Column("files_total", sa.Integer(), nullable=False),
        sa.Column("url", sa.String(2048)),
        sa.Column("error", sa.JSON(none_as_null=True)),
        sa.Column("finished_at", moment),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name="fk_outputs_job_id_jobs", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", "index", name="pk_outputs"),
    )
    op.create_index("ix_outputs_due", "outputs", ["state", "next_attempt_at"])


def downgrade() -> None:
    """Drop what `upgrade` adds."""
    op.drop_table("outputs")
