"""Daily sums of use, and an index of the texts of jobs by three characters each."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.types import TypeEngine

from db.events.use_sums import add_sums, correction

revision = "0035"
down_revision = "0034"

KEYS: dict[str, TypeEngine[Any]] = {
    "day": sa.Date(),
    "previous": sa.Date(),
    "created_by": sa.String(40),
    "method": sa.String(32),
    "label": sa.String(63),
    "value": sa.String(200),
    "hourly_price": sa.Double(),
    "currency": sa.String(16),
}
AMOUNTS = ("jobs", "succeeded", "failed", "held_us")

# A migration that rebuilds the table of jobs has to make the triggers again.
SQLITE = (
    "CREATE VIRTUAL TABLE job_texts USING fts5(id UNINDEXED, text, tokenize = 'trigram')",
    "INSERT INTO job_texts (id, text) SELECT id, id || char(10) || search FROM jobs",
    """CREATE TRIGGER job_texts_insert AFTER INSERT ON jobs BEGIN
    INSERT INTO job_texts (id, text) VALUES (new.id, new.id || char(10) || new.search); END""",
    """CREATE TRIGGER job_texts_delete AFTER DELETE ON jobs BEGIN
    DELETE FROM job_texts WHERE rowid IN (SELECT rowid FROM job_texts
        WHERE text MATCH '"' || old.id || '"' AND id = old.id); END""",
    """CREATE TRIGGER job_texts_update AFTER UPDATE OF search ON jobs BEGIN
    UPDATE job_texts SET text = new.id || char(10) || new.search
        WHERE rowid IN (SELECT rowid FROM job_texts
        WHERE text MATCH '"' || old.id || '"' AND id = old.id); END""",
)
# The extension pg_trgm does the same, but not every server has it.
POSTGRESQL = (
    "CREATE FUNCTION zpruner_trigrams(text) RETURNS text[] "
    "LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$ SELECT array_agg(DISTINCT "
    "substr($1, place, 3)) FROM generate_series(1, length($1) - 2) AS place $$",
    # Without fastupdate, no search has to read a list of what is not in the index yet.
    "CREATE INDEX ix_jobs_trigrams ON jobs USING gin (zpruner_trigrams(id || chr(10) || search)) "
    "WITH (fastupdate = off)",
)


def upgrade() -> None:
    """Make the table of sums, fill it from the rows, and make the index."""
    kinds = KEYS | dict.fromkeys(AMOUNTS, sa.BigInteger())
    columns = [sa.Column(name, kind, nullable=False) for name, kind in kinds.items()]
    key = sa.PrimaryKeyConstraint(*KEYS, name="pk_daily_use")
    op.create_table("daily_use", *columns, key)
    op.create_index("ix_daily_use_of_a_key", "daily_use", ["created_by", "day"])
    add_sums(op.get_bind(), correction(op.get_bind()))
    for statement in POSTGRESQL if _is_postgresql() else SQLITE:
        op.execute(statement)


def downgrade() -> None:
    """Drop the index and the table."""
    if _is_postgresql():
        op.drop_index("ix_jobs_trigrams", "jobs")
        op.execute("DROP FUNCTION zpruner_trigrams(text)")
    else:
        for moment in ("insert", "update", "delete"):
            op.execute(f"DROP TRIGGER job_texts_{moment}")
        op.execute("DROP TABLE job_texts")
    op.drop_table("daily_use")


def _is_postgresql() -> bool:
    return op.get_bind().dialect.name == "postgresql"
