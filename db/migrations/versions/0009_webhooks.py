"""Webhooks and deliveries."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

ID = sa.String(40)
TIME = sa.DateTime(timezone=True)
INDEXES = {
    "listed": ["webhook_id", "id"],
    "of_a_status": ["webhook_id", "status", "id"],
    "due": ["status", "next_attempt_at"],
    "finished_at": ["finished_at"],
}


def upgrade() -> None:
    """Make the tables and their indexes."""
    op.create_table(
        "webhooks",
        sa.Column("id", ID, nullable=False),
        sa.Column("url", sa.String(2048), nullable=False),
        sa.Column("description", sa.String(200), nullable=False),
        sa.Column("events", sa.JSON(), nullable=False),
        sa.Column("secret", sa.String(64), nullable=False),
        sa.Column("former_secret", sa.String(64)),
        sa.Column("former_until", TIME),
        sa.Column("disabled_at", TIME),
        sa.Column("disabled_reason", sa.String(32)),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("created_by", ID),
        sa.PrimaryKeyConstraint("id", name="pk_webhooks"),
    )
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", ID, nullable=False),
        sa.Column("webhook_id", ID, nullable=False),
        sa.Column("type", sa.String(64), nullable=False),
        sa.Column("job_id", ID),
        sa.Column("position", sa.BigInteger()),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", TIME),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("finished_at", TIME),
        sa.Column("log", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_webhook_deliveries"),
        sa.ForeignKeyConstraint(
            ["webhook_id"],
            ["webhooks.id"],
            name="fk_webhook_deliveries_webhook_id_webhooks",
            ondelete="CASCADE",
        ),
        sa.UniqueConstraint(
            "webhook_id", "position", name="uq_webhook_deliveries_webhook_id_position"
        ),
    )
    for name, columns in INDEXES.items():
        op.create_index(f"ix_webhook_deliveries_{name}", "webhook_deliveries", columns)


def downgrade() -> None:
    """Drop what `upgrade` adds."""
    op.drop_table("webhook_deliveries")
    op.drop_table("webhooks")
