"""The memory that a job asks for, and that which its plan needs."""

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

NAMES = ("min_memory_bytes", "planned_memory_bytes")


def upgrade() -> None:
    """Add the columns; any worker may take earlier jobs."""
    for name in NAMES:
        op.add_column("jobs", sa.Column(name, sa.BigInteger()))


def downgrade() -> None:
    """Drop the columns."""
    for name in NAMES:
        op.drop_column("jobs", name)
