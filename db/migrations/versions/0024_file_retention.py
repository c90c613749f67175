"""Pins of jobs, their last download, deletions of files by retention rules, and audit data."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    """Add the columns, and replace the index of file sizes by one with the deletions."""
    op.add_column(
        "jobs", sa.Column("pinned", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.add_column("jobs", sa.Column("downloaded_at", sa.DateTime(timezone=True)))
    op.add_column("artifacts", sa.Column("deleted_at", sa.DateTime(timezone=True)))
    op.add_column("artifacts", sa.Column("deleted_by", sa.String(63)))
    op.add_column(
        "artifacts", sa.Column("on_disk", sa.Boolean(), nullable=False, server_default=sa.true())
    )
    op.drop_index("ix_artifacts_size_bytes", "artifacts")
    op.create_index("ix_artifacts_stored", "artifacts", ["on_disk", "deleted_by", "size_bytes"])
    op.add_column("audit", sa.Column("data", sa.JSON()))


def downgrade() -> None:
    """Drop what `upgrade` adds."""
    op.drop_column("audit", "data")
    op.drop_index("ix_artifacts_stored", "artifacts")
    op.create_index("ix_artifacts_size_bytes", "artifacts", ["size_bytes"])
    for name in ("on_disk", "deleted_by", "deleted_at"):
        op.drop_column("artifacts", name)
    for name in ("downloaded_at", "pinned"):
        op.drop_column("jobs", name)
