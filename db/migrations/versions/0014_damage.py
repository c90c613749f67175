"""The time and the result of the last check of each artifact."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Add the columns; without a time of a check, older artifacts are checked before others."""
    op.add_column("artifacts", sa.Column("checked_at", sa.DateTime(timezone=True)))
    op.add_column("artifacts", sa.Column("checked_as", sa.String(100)))
    op.add_column("artifacts", sa.Column("damage", sa.String(200)))
    op.create_index("ix_artifacts_checked_at", "artifacts", ["checked_at"])


def downgrade() -> None:
    """Drop what `upgrade` adds."""
    op.drop_index("ix_artifacts_checked_at", "artifacts")
    op.drop_column("artifacts", "damage")
    op.drop_column("artifacts", "checked_as")
    op.drop_column("artifacts", "checked_at")
