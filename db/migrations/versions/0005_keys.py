"""API keys, the audit log, and the key that created a job."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

ID = sa.String(40)
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables; add the column and its index."""
    _create_keys()
    _create_audit()
    op.add_column("jobs", sa.Column("created_by", ID))
    op.create_index("ix_jobs_created_by_status", "jobs", ["created_by", "status"])


def downgrade() -> None:
    """Drop what `upgrade` adds."""
    op.drop_index("ix_jobs_created_by_status", "jobs")
    op.drop_column("jobs", "created_by")
    op.drop_table("audit")
    op.drop_table("api_keys")


def _create_keys() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("secret_digest", sa.String(64), nullable=False),
        sa.Column("former_digest", sa.String(64)),
        sa.Column("former_until", TIME),
        sa.Column("max_jobs_in_flight", sa.Integer()),
        sa.Column("max_gpu_hours", sa.Double()),
        sa.Column("max_artifact_bytes", sa.BigInteger()),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("created_by", ID),
        sa.Column("expires_at", TIME),
        sa.Column("revoked_at", TIME),
        sa.Column("last_used_at", TIME),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
    )


def _create_audit() -> None:
    op.create_table(
        "audit",
        sa.Column("id", ID, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("key_id", ID),
        sa.Column("who", sa.String(200), nullable=False),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("target", sa.String(512), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("request_id", sa.String(64), nullable=False),
        sa.Column("address", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
    )
    op.create_index("ix_audit_listed", "audit", ["created_at", "id"])
