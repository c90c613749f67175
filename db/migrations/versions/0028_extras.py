"""The extras of workers."""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"


def upgrade() -> None:
    """Add the columns; a worker sets them when it starts."""
    op.add_column("workers", sa.Column("extras", sa.JSON()))
    op.add_column("workers", sa.Column("own_tasks", sa.Boolean()))


def downgrade() -> None:
    """Drop the columns."""
    with op.batch_alter_table("workers") as table:
        table.drop_column("own_tasks")
        table.drop_column("extras")
