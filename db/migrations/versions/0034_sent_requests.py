"""Digests of requests as they were sent, which no change of a default changes."""

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"


def upgrade() -> None:
    """Add the column; of earlier requests, only the digest with all defaults is known."""
    op.add_column("answers", sa.Column("sent_digest", sa.String(64)))


def downgrade() -> None:
    """Drop the column."""
    op.drop_column("answers", "sent_digest")
