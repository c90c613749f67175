"""Automatic retries after transient failures."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    """Add the columns."""
    op.add_column(
        "jobs", sa.Column("retries", sa.Integer(), nullable=False, server_default=sa.text("0"))
    )
    op.add_column("jobs", sa.Column("not_before", sa.DateTime(timezone=True)))


def downgrade() -> None:
    """Drop what `upgrade` adds."""
    op.drop_column("jobs", "not_before")
    op.drop_column("jobs", "retries")
