"""The start of the current attempt's rate of progress."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Add the columns."""
    op.add_column("jobs", sa.Column("paced_at", sa.DateTime(timezone=True)))
    op.add_column(
        "jobs", sa.Column("paced_from", sa.Double(), nullable=False, server_default=sa.text("0"))
    )


def downgrade() -> None:
    """Drop what `upgrade` adds."""
    op.drop_column("jobs", "paced_from")
    op.drop_column("jobs", "paced_at")
