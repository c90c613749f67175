"""Upgrades and downgrades of a database's schema.

Only programs that migrate import this module: importing Alembic takes a tenth of a second, and a
start of the service starts six processes.
"""

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text

from db.core.session import open_sessions, sqlite_file
from db.schema.revision import MIGRATIONS, SchemaState, revision_of, schema_state

_LOCK = 0x7A70726E  # "zprn"


def migrate(url: str) -> None:
    """Upgrade the database to the newest migration; concurrent calls wait for each other.

    Tables that a newer version has only added to are left as they are.
    """
    if (file := sqlite_file(url)) is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
    sessions = open_sessions(url)
    try:
        with sessions.begin() as session:
            connection = session.connection()
            if connection.dialect.name == "postgresql":
                connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
            if schema_state(revision_of(connection)) is not SchemaState.extended:
                command.upgrade(migration_config(connection), "head")
    finally:
        sessions.kw["bind"].dispose()


def downgrade(url: str, target: str) -> None:
    """Undo the migrations after `target`; all data in the tables and columns they added is lost."""
    sessions = open_sessions(url)
    try:
        with sessions.begin() as session:
            command.downgrade(migration_config(session.connection()), target)
    finally:
        sessions.kw["bind"].dispose()


def migration_config(connection: Connection) -> Config:
    """Return an Alembic configuration that uses an open connection."""
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config
