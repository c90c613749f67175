"""The use of workers, and samples of workers and queues."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    """Add the columns and create the tables."""
    op.add_column("workers", sa.Column("load", sa.Double()))
    op.add_column("workers", sa.Column("memory_used_bytes", sa.BigInteger()))
    op.add_column("workers", sa.Column("temperature_c", sa.Double()))
    op.create_table(
        "worker_samples",
        sa.Column("worker", sa.String(255), nullable=False),
        sa.Column("minute", sa.Integer(), nullable=False),
        sa.Column("samples", sa.Integer(), nullable=False),
        sa.Column("busy", sa.Integer(), nullable=False),
        sa.Column("load", sa.Double()),
        sa.PrimaryKeyConstraint("worker", "minute", name="pk_worker_samples"),
    )
    op.create_table(
        "queue_samples",
        sa.Column("queue", sa.String(64), nullable=False),
        sa.Column("minute", sa.Integer(), nullable=False),
        sa.Column("queued", sa.Integer(), nullable=False),
        sa.Column("running", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("queue", "minute", name="pk_queue_samples"),
    )


def downgrade() -> None:
    """Drop what `upgrade` adds."""
    op.drop_table("queue_samples")
    op.drop_table("worker_samples")
    for name in ("temperature_c", "memory_used_bytes", "load"):
        op.drop_column("workers", name)
