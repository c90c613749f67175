"""Gates and verdicts, sweeps, estimates."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables, the columns and their indexes."""
    op.create_table(
        "sweeps",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("name", sa.String(200)),
        sa.Column("labels", sa.JSON(), nullable=False),
        sa.Column("varied", sa.JSON(), nullable=False),
        sa.Column("max_parallel", sa.Integer()),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sweeps"),
    )
    op.create_table(
        "estimates",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("spec_digest", sa.String(64), nullable=False),
        sa.Column("spec", sa.JSON(), nullable=False),
        sa.Column("answer", sa.JSON()),
        sa.Column("error", sa.JSON()),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("started_at", TIME),
        sa.Column("finished_at", TIME),
        sa.PrimaryKeyConstraint("id", name="pk_estimates"),
    )
    op.create_index("ix_estimates_spec_digest", "estimates", ["spec_digest"])
    op.create_index("ix_estimates_waiting", "estimates", ["finished_at", "created_at"])
    verdict = sa.String(8)
    op.add_column("jobs", sa.Column("sweep_id", sa.String(40)))
    op.add_column("jobs", sa.Column("sweep_point", sa.Integer()))
    op.add_column("jobs", sa.Column("gate", sa.JSON()))
    op.add_column(
        "jobs", sa.Column("verdict", verdict, nullable=False, server_default=sa.text("'none'"))
    )
    op.create_index("ix_jobs_of_a_verdict", "jobs", ["verdict", "created_at", "id"])
    op.create_index(
        "ix_jobs_of_a_sweep", "jobs", ["sweep_id", "created_at", "id", "status", "sweep_point"]
    )


def downgrade() -> None:
    """Drop what `upgrade` adds."""
    for name in ("of_a_sweep", "of_a_verdict"):
        op.drop_index(f"ix_jobs_{name}", "jobs")
    for name in ("verdict", "gate", "sweep_point", "sweep_id"):
        op.drop_column("jobs", name)
    op.drop_table("estimates")
    op.drop_table("sweeps")
