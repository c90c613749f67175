"""Which migration a database is at, and which ones this version knows."""

from enum import Enum

from alembic import command
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import make_url

from db.core.session import MIGRATIONS, migration_config, open_sessions


class Schema(Enum):
    """How a database's tables stand to this version."""

    current = "up to date"
    empty = "empty, its tables will be made at the next start"
    older = "of an older version, will be upgraded at the next start"
    newer = "of a newer version"


def revision(url: str) -> str | None:
    """Return the migration that a database is at; None where it has no tables.

    Raises:
        SQLAlchemyError: it cannot be read.
    """
    engine = open_sessions(url).kw["bind"]
    try:
        with engine.connect() as connection:
            return MigrationContext.configure(connection).get_current_revision()
    finally:
        engine.dispose()


def known() -> list[str]:
    """Return the migrations of this version, newest first."""
    return [script.revision for script in ScriptDirectory(str(MIGRATIONS)).walk_revisions()]


def schema(found: str | None) -> Schema:
    """Compare a database's migration with those of this version."""
    if found is None:
        return Schema.empty
    if found not in known():
        return Schema.newer
    return Schema.current if found == known()[0] else Schema.older


def revert(url: str, target: str) -> None:
    """Take back the migrations behind this one, and what only their tables and columns hold."""
    sessions = open_sessions(url)
    try:
        with sessions.begin() as session:
            command.downgrade(migration_config(session.connection()), target)
    finally:
        sessions.kw["bind"].dispose()


def shown(url: str) -> str:
    """Return a database's URL without its password."""
    return make_url(url).render_as_string(hide_password=True)
