"""When each deadline was written, consecutive crashes, and heartbeats."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add the columns and the table."""
    op.add_column(
        "jobs", sa.Column("strikes", sa.Integer(), nullable=False, server_default=sa.text("0"))
    )
    op.execute("UPDATE jobs SET strikes = crashes")
    op.add_column("jobs", sa.Column("struck_at", MOMENT))
    op.add_column("jobs", sa.Column("leased_at", MOMENT))
    op.add_column("webhook_deliveries", sa.Column("noted_at", MOMENT))
    op.create_table(
        "heartbeats",
        sa.Column("name", sa.String(32), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_heartbeats"),
    )


def downgrade() -> None:
    """Drop what `upgrade` adds."""
    op.drop_table("heartbeats")
    op.drop_column("webhook_deliveries", "noted_at")
    for name in ("leased_at", "struck_at", "strikes"):
        op.drop_column("jobs", name)
