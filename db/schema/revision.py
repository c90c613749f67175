"""The migration that a database is at, and the migrations in this version of the code."""

from enum import Enum
from pathlib import Path

from sqlalchemy import inspect, make_url, text

from db.core.session import open_sessions

MIGRATIONS = Path(__file__).parents[1] / "migrations"
"""Alembic's folder; each file in its ``versions`` begins with the id of its migration."""


class SchemaState(Enum):
    """How a database's tables compare with those that this version of the code needs."""

    current = "up to date"
    empty = "empty; the next start creates the tables"
    older = "from an older version; the next start upgrades them"
    newer = "from a newer version"


def current_revision(url: str) -> str | None:
    """Return the id of the migration that a database is at, or None if it has no tables."""
    engine = open_sessions(url).kw["bind"]
    try:
        with engine.connect() as connection:
            if not inspect(connection).has_table("alembic_version"):
                return None
            revision: str | None = connection.scalar(
                text("SELECT version_num FROM alembic_version")
            )
            return revision
    finally:
        engine.dispose()


def known_revisions() -> list[str]:
    """Return the ids of the migrations in this version of the code, newest first."""
    files = (MIGRATIONS / "versions").glob("[0-9]*.py")
    return sorted((file.name.partition("_")[0] for file in files), reverse=True)


def schema_state(revision: str | None) -> SchemaState:
    """Compare a database's migration with the migrations in this version of the code."""
    if revision is None:
        return SchemaState.empty
    known = known_revisions()
    if revision not in known:
        return SchemaState.newer
    return SchemaState.current if revision == known[0] else SchemaState.older


def hide_password(url: str) -> str:
    return make_url(url).render_as_string(hide_password=True)
