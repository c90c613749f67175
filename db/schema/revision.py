"""The migration that a database is at, and the migrations in this version of the code."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path

from sqlalchemy import Connection, inspect, make_url, text

from db.core.session import open_sessions, sqlite_file

MIGRATIONS = Path(__file__).parents[1] / "migrations"
"""Alembic's folder; each file in its ``versions`` begins with the id of its migration."""


class SchemaState(Enum):
    """How a database's tables compare with those that this version of the code needs."""

    current = "up to date"
    empty = "empty; the next start creates the tables"
    older = "from an older version; the next start upgrades them"
    extended = "from a newer version, which has only added to them"
    newer = "from a newer version"


def current_revision(url: str) -> str | None:
    """Return the id of the migration that a database is at, or None if it has no tables."""
    with _connected(url) as connection:
        return revision_of(connection)


def revision_of(connection: Connection) -> str | None:
    """Return the same, by an open connection."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return revision


def encoding_of(url: str) -> str | None:
    """Return the name of the encoding of a PostgreSQL database; None for SQLite."""
    if sqlite_file(url) is not None:
        return None
    with _connected(url) as connection:
        return str(connection.execute(text("SHOW server_encoding")).scalar_one())


@contextmanager
def _connected(url: str) -> Iterator[Connection]:
    engine = open_sessions(url).kw["bind"]
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def known_revisions() -> list[str]:
    """Return the ids of the migrations in this version of the code, newest first."""
    files = (MIGRATIONS / "versions").glob("*[0-9]_*.py")
    return sorted((file.name.partition("_")[0] for file in files), reverse=True)


def schema_state(revision: str | None) -> SchemaState:
    """Compare a database's migration with the migrations in this version of the code."""
    if revision is None:
        return SchemaState.empty
    known = known_revisions()
    if revision in known:
        return SchemaState.current if revision == known[0] else SchemaState.older
    return (
        SchemaState.extended if generation(revision) == generation(known[0]) else SchemaState.newer
    )


def generation(revision: str) -> str:
    """Return the letter before the number of a migration; the first generation has none.

    The migrations of a generation only add tables, and columns that may be left out, so that
    processes of an older version work with the tables of a newer one. A migration that does more
    begins the next generation, as ``a0042``.
    """
    return revision.rstrip("0123456789")


def is_of_search(name: str | None) -> bool:
    """Whether a table or an index belongs to the index of texts, which the database keeps."""
    return name is not None and name.startswith(("job_texts", "ix_jobs_trigrams"))


def hide_password(url: str) -> str:
    return make_url(url).render_as_string(hide_password=True)
