"""Triggers and their calls."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

ID = sa.String(40)
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables and their indexes."""
    op.create_table(
        "triggers",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("source", sa.String(16), nullable=False),
        sa.Column("job", sa.JSON(), nullable=False),
        sa.Column("filter", sa.JSON(), nullable=False),
        sa.Column("map", sa.JSON(), nullable=False),
        sa.Column("secret", sa.String(64), nullable=False),
        sa.Column("former_secret", sa.String(64)),
        sa.Column("former_until", TIME),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("created_by", ID),
        sa.PrimaryKeyConstraint("id", name="pk_triggers"),
    )
    op.create_table(
        "trigger_deliveries",
        sa.Column("id", ID, nullable=False),
        sa.Column("trigger_id", ID, nullable=False),
        sa.Column("delivery_id", sa.String(255), nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(1024)),
        sa.Column("job_id", ID),
        sa.Column("problem", sa.JSON()),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_trigger_deliveries"),
        sa.ForeignKeyConstraint(
            ["trigger_id"],
            ["triggers.id"],
            name="fk_trigger_deliveries_trigger_id_triggers",
            ondelete="CASCADE",
        ),
        sa.UniqueConstraint(
            "trigger_id", "delivery_id", name="uq_trigger_deliveries_trigger_id_delivery_id"
        ),
    )
    listed = ["trigger_id", "id"]
    op.create_index("ix_trigger_deliveries_listed", "trigger_deliveries", listed)
    op.create_index("ix_trigger_deliveries_created_at", "trigger_deliveries", ["created_at"])


def downgrade() -> None:
    """Drop what `upgrade` adds."""
    op.drop_table("trigger_deliveries")
    op.drop_table("triggers")
