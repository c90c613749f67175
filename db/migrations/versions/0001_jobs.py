"""Jobs, their events, block reports and artifacts."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None

ID = sa.String(40)
STATE = sa.String(16)
PHASE = sa.String(16)
TIME = sa.DateTime(timezone=True)
SEARCHED = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    """Create the tables."""
    _create_jobs()
    _create_events()
    _create_block_reports()
    _create_artifacts()


def downgrade() -> None:
    """Drop the tables."""
    for table in ("artifacts", "block_reports", "job_events", "jobs"):
        op.drop_table(table)


def _create_jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", ID, nullable=False),
        sa.Column("spec", SEARCHED, nullable=False),
        sa.Column("name", sa.String(200)),
        sa.Column("labels", SEARCHED, nullable=False),
        sa.Column("status", STATE, nullable=False),
        sa.Column("phase", PHASE),
        sa.Column("progress", sa.Double(), nullable=False),
        sa.Column("block_index", sa.Integer()),
        sa.Column("block_total", sa.Integer()),
        sa.Column("block_name", sa.String(512)),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("crashes", sa.Integer(), nullable=False),
        sa.Column("worker", sa.String(255)),
        sa.Column("device", sa.String(255)),
        sa.Column("lease_until", TIME),
        sa.Column("pushed_at", TIME),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.Column("started_at", TIME),
        sa.Column("finished_at", TIME),
        sa.Column("result", sa.JSON()),
        sa.Column("error", sa.JSON()),
        sa.Column("warnings", sa.JSON(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
    )
    op.create_index("ix_jobs_status_id", "jobs", ["status", "id"])


def _create_events() -> None:
    op.create_table(
        "job_events",
        sa.Column("job_id", ID, nullable=False),
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("status", STATE, nullable=False),
        sa.Column("phase", PHASE),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", "seq", name="pk_job_events"),
        _of_a_job("job_events"),
    )


def _create_block_reports() -> None:
    op.create_table(
        "block_reports",
        sa.Column("job_id", ID, nullable=False),
        sa.Column("attempt", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("index", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(512), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", "attempt", "index", name="pk_block_reports"),
        _of_a_job("block_reports"),
    )


def _create_artifacts() -> None:
    op.create_table(
        "artifacts",
        sa.Column("id", ID, nullable=False),
        sa.Column("job_id", ID, nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(1024), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("media_type", sa.String(128), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_artifacts"),
        sa.UniqueConstraint("job_id", "name", name="uq_artifacts_job_id_name"),
        _of_a_job("artifacts"),
    )


def _of_a_job(table: str) -> sa.ForeignKeyConstraint:
    name = f"fk_{table}_job_id_jobs"
    return sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=name, ondelete="CASCADE")
