"""Detection of duplicate trigger calls by their bodies."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"

INDEX = "uq_trigger_deliveries_body"


def upgrade() -> None:
    """Add the column; what is there stays without."""
    op.add_column("trigger_deliveries", sa.Column("body_digest", sa.String(64)))
    op.create_index(INDEX, "trigger_deliveries", ["trigger_id", "body_digest"], unique=True)


def downgrade() -> None:
    """Drop what `upgrade` adds."""
    op.drop_index(INDEX, "trigger_deliveries")
    op.drop_column("trigger_deliveries", "body_digest")
