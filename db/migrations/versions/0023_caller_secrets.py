"""Secrets of callers, and the key whose secret an estimate uses."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"

ID = sa.String(40)
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the table and add the column."""
    op.create_table(
        "caller_secrets",
        sa.Column("created_by", ID, nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("ciphertext", sa.Text(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("replaced_at", TIME),
        sa.Column("last_used_at", TIME),
        sa.PrimaryKeyConstraint("created_by", "name", name="pk_caller_secrets"),
    )
    op.add_column("estimates", sa.Column("created_by", ID))


def downgrade() -> None:
    """Drop both; the secrets are lost."""
    op.drop_column("estimates", "created_by")
    op.drop_table("caller_secrets")
