"""A check that PostgreSQL allows enough connections when several processes serve the API."""

from sqlalchemy import text

from db.core.session import POOL_SIZE, THREADS, open_sessions, sqlite_file
from db.startup.checks import Finding
from db.startup.server_settings import ServerSettings

MOST_OF_A_PROCESS = THREADS + 2 * POOL_SIZE
"""The most connections of a process: one for each thread, and those kept open by its two pools."""
OF_OTHERS = 30
"""The connections of workers, the control and the outputs process and commands, and those that
PostgreSQL reserves for its superuser."""


def connection_limit(settings: ServerSettings) -> list[Finding]:
    """Check that PostgreSQL allows as many connections as the whole service may open.

    Return no finding for a single API process or for SQLite.

    Raises:
        SQLAlchemyError: the database cannot be reached.
    """
    workers = settings.api_workers
    if workers == 1 or sqlite_file(settings.database) is not None:
        return []
    needed, allowed = workers * MOST_OF_A_PROCESS + OF_OTHERS, _max_connections(settings.database)
    if allowed >= needed:
        return [Finding("connections", "ok", f"{allowed} allowed, at most {needed} used")]
    why = (
        f"ZPRUNER_API_WORKERS={workers}: the service may open {needed} connections, but "
        f"max_connections of PostgreSQL is {allowed}. Increase that, or use fewer processes."
    )
    return [Finding("connections", "wrong", why)]


def _max_connections(url: str) -> int:
    engine = open_sessions(url).kw["bind"]
    try:
        with engine.connect() as connection:
            return int(connection.execute(text("SHOW max_connections")).scalar_one())
    finally:
        engine.dispose()
