"""The remaining time of a running job, as its worker estimates it."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Replace what the API extrapolated from."""
    op.add_column("jobs", sa.Column("eta_p50_s", sa.Double()))
    op.add_column("jobs", sa.Column("eta_p90_s", sa.Double()))
    op.drop_column("jobs", "paced_from")
    op.drop_column("jobs", "paced_at")


def downgrade() -> None:
    """Bring that back, empty."""
    op.add_column("jobs", sa.Column("paced_at", sa.DateTime(timezone=True)))
    op.add_column(
        "jobs", sa.Column("paced_from", sa.Double(), nullable=False, server_default=sa.text("0"))
    )
    op.drop_column("jobs", "eta_p90_s")
    op.drop_column("jobs", "eta_p50_s")
