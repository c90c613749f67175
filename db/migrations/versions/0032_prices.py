"""Prices, bounds of costs, budgets, and the attempts at deleted jobs."""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"

ID = sa.String(40)
AMOUNTS = ("hourly_price", "max_cost", "likely_cost")


def upgrade() -> None:
    """Add the columns and the table; earlier jobs have no price."""
    for name in AMOUNTS:
        op.add_column("jobs", sa.Column(name, sa.Double()))
    op.add_column("jobs", sa.Column("currency", sa.String(16)))
    op.add_column("api_keys", sa.Column("max_monthly_cost", sa.Double()))
    op.create_table(
        "past_attempts",
        sa.Column("job_id", ID, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("created_by", ID),
        sa.Column("method", sa.String(32), nullable=False),
        sa.Column("hourly_price", sa.Double()),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("job_id", "number", name="pk_past_attempts"),
    )
    op.create_index("ix_past_attempts_ended_at", "past_attempts", ["ended_at"])


def downgrade() -> None:
    """Drop the table and the columns."""
    op.drop_table("past_attempts")
    op.drop_column("api_keys", "max_monthly_cost")
    op.drop_column("jobs", "currency")
    for name in AMOUNTS:
        op.drop_column("jobs", name)
