"""The turns of API keys in scheduling."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"

INDEX = "ix_jobs_urgency"


def upgrade() -> None:
    """Make the table, with the keys whose jobs there are, and index waiting jobs by key."""
    op.create_table(
        "key_turns",
        sa.Column("created_by", sa.String(40), nullable=False),
        sa.Column("turn", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("created_by", name="pk_key_turns"),
    )
    op.execute(
        "INSERT INTO key_turns (created_by, turn) "
        "SELECT DISTINCT coalesce(created_by, ''), 0 FROM jobs"
    )
    op.drop_index(INDEX, "jobs")
    columns = ["status", "queue", "priority", "created_by", "created_at", "id"]
    op.create_index(INDEX, "jobs", columns)


def downgrade() -> None:
    """Bring the former index back, and drop the table."""
    op.drop_index(INDEX, "jobs")
    op.create_index(INDEX, "jobs", ["status", "queue", "priority", "created_at", "id"])
    op.drop_table("key_turns")
