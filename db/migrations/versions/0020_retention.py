"""The position up to which events may have been deleted."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    """Add the column."""
    op.add_column(
        "event_counter",
        sa.Column("pruned", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
    )


def downgrade() -> None:
    """Drop what `upgrade` adds."""
    op.drop_column("event_counter", "pruned")
