"""Datasets that callers upload, and the secret that signs links."""

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

ID = sa.String(40)


def upgrade() -> None:
    """Make the tables, and the secret once for all processes."""
    op.create_table(
        "datasets",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", sa.String(200)),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("media_type", sa.String(64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", ID),
        sa.PrimaryKeyConstraint("id", name="pk_datasets"),
        sa.UniqueConstraint("sha256", "media_type", name="uq_datasets_sha256_media_type"),
    )
    op.create_index("ix_datasets_created_by", "datasets", ["created_by"])
    table = op.create_table(
        "secrets",
        sa.Column("name", sa.String(32), nullable=False),
        sa.Column("value", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_secrets"),
    )
    op.bulk_insert(table, [{"name": "links", "value": secrets.token_hex(32)}])


def downgrade() -> None:
    """Drop what `upgrade` adds."""
    op.drop_table("secrets")
    op.drop_table("datasets")
