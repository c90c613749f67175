"""Idempotency keys are scoped to the API key that uses them."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Add the caller to the key of stored responses; that of each row is the creator of its job."""
    column = sa.Column("created_by", sa.String(40), nullable=False, server_default=sa.text("''"))
    op.add_column("answers", column)
    op.execute(CALLERS)
    _find_by("created_by", "key")


def downgrade() -> None:
    """Find stored responses by the idempotency key alone; of several with one key, one stays."""
    op.execute(DOUBLES)
    _find_by("key")
    op.drop_column("answers", "created_by")


CALLERS = """
UPDATE answers SET created_by = coalesce(
    (SELECT jobs.created_by FROM jobs WHERE jobs.id = answers.job_id), ''
)
"""
DOUBLES = """
DELETE FROM answers WHERE EXISTS (
    SELECT 1 FROM answers AS other
    WHERE other.key = answers.key AND other.created_by < answers.created_by
)
"""


def _find_by(*columns: str) -> None:
    with op.batch_alter_table("answers") as batch:
        batch.drop_constraint("pk_answers", type_="primary")
        batch.create_primary_key("pk_answers", list(columns))
