"""Workers, logs of attempts, priorities of jobs, and one order of all events."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

ID = sa.String(40)
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables, add the columns, give the events so far their places."""
    _create_workers()
    _create_logs()
    op.add_column("jobs", sa.Column("queue", sa.String(64), nullable=False, server_default="gpu"))
    priority = sa.Column("priority", sa.Integer(), nullable=False, server_default=sa.text("0"))
    op.add_column("jobs", priority)
    op.add_column("jobs", sa.Column("traceparent", sa.String(64)))
    op.create_index("ix_jobs_urgency", "jobs", ["status", "queue", "priority", "created_at", "id"])
    op.create_index("ix_jobs_counted", "jobs", ["status", "method", "attempt", "crashes"])
    op.create_index("ix_artifacts_size_bytes", "artifacts", ["size_bytes"])
    op.add_column("job_events", sa.Column("position", sa.BigInteger()))
    op.execute(NUMBER)
    op.create_table(
        "event_counter",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_event_counter"),
    )
    op.execute(COUNT)
    op.create_index("ix_job_events_position", "job_events", ["position"], unique=True)


def downgrade() -> None:
    """Drop what `upgrade` adds."""
    op.drop_index("ix_job_events_position", "job_events")
    op.drop_column("job_events", "position")
    op.drop_table("event_counter")
    op.drop_index("ix_artifacts_size_bytes", "artifacts")
    for name in ("counted", "urgency"):
        op.drop_index(f"ix_jobs_{name}", "jobs")
    for name in ("traceparent", "priority", "queue"):
        op.drop_column("jobs", name)
    op.drop_table("job_logs")
    op.drop_table("workers")


NUMBER = """
UPDATE job_events SET position = numbered.position FROM (
    SELECT job_id, seq, row_number() OVER (ORDER BY at, job_id, seq) AS position FROM job_events
) AS numbered
WHERE job_events.job_id = numbered.job_id AND job_events.seq = numbered.seq
"""
COUNT = "INSERT INTO event_counter (id, last) SELECT 1, coalesce(max(position), 0) FROM job_events"


def _create_workers() -> None:
    op.create_table(
        "workers",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("hostname", sa.String(255), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("queues", sa.JSON(), nullable=False),
        sa.Column("device", sa.String(255)),
        sa.Column("memory_bytes", sa.BigInteger()),
        sa.Column("version", sa.String(64), nullable=False),
        sa.Column("started_at", TIME, nullable=False),
        sa.Column("heartbeat_at", TIME, nullable=False),
        sa.Column("job_id", ID),
        sa.Column("draining", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_workers"),
    )
    op.create_index("ix_workers_name", "workers", ["name"])


def _create_logs() -> None:
    op.create_table(
        "job_logs",
        sa.Column("job_id", ID, nullable=False),
        sa.Column("attempt", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("level", sa.String(8), nullable=False),
        sa.Column("logger", sa.String(128), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", "attempt", "seq", name="pk_job_logs"),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name="fk_job_logs_job_id_jobs", ondelete="CASCADE"
        ),
    )
