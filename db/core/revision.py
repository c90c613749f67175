"""The migration that a database is at, and the migrations in this version of the code."""

from enum import Enum

from alembic import command
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import make_url

from db.core.session import MIGRATIONS, migration_config, open_sessions


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
            return MigrationContext.configure(connection).get_current_revision()
    finally:
        engine.dispose()


def known_revisions() -> list[str]:
    """Return the ids of the migrations in this version of the code, newest first."""
    return [script.revision for script in ScriptDirectory(str(MIGRATIONS)).walk_revisions()]


def schema_state(revision: str | None) -> SchemaState:
    """Compare a database's migration with the migrations in this version of the code."""
    if revision is None:
        return SchemaState.empty
    known = known_revisions()
    if revision not in known:
        return SchemaState.newer
    return SchemaState.current if revision == known[0] else SchemaState.older


def downgrade(url: str, target: str) -> None:
    """Undo the migrations after `target`; all data in the tables and columns they added is lost."""
    sessions = open_sessions(url)
    try:
        with sessions.begin() as session:
            command.downgrade(migration_config(session.connection()), target)
    finally:
        sessions.kw["bind"].dispose()


def hide_password(url: str) -> str:
    return make_url(url).render_as_string(hide_password=True)
