"""Every test of the database runs on SQLite and on a real PostgreSQL."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from db.schema.migration import migrate
from tests.db.postgres import admin, running_postgres

WRITTEN = (
    *("jobs", "api_keys", "audit", "sweeps", "estimates", "workers", "webhooks", "triggers"),
    *("worker_samples", "queue_samples", "datasets", "key_turns", "caller_secrets"),
    *("past_attempts", "daily_use"),
)
"""The tables that tests write; the others refer to these, and their rows are deleted as well."""


@pytest.fixture(scope="session")
def postgres() -> Iterator[Path]:
    """The folder of a running server's socket; its database ``migrated`` has our tables."""
    with running_postgres() as folder:
        with admin(folder) as connection:
            connection.execute("CREATE DATABASE migrated")
        migrate(_url(folder, "migrated"))
        yield folder


@contextmanager
def postgres_database(server: Path, name: str) -> Iterator[str]:
    """Create a PostgreSQL database without tables, yield its URL, and drop it at the end."""
    with admin(server) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
        yield _url(server, name)
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def new_postgres(postgres: Path) -> Iterator[str]:
    """The URL of a PostgreSQL database without tables."""
    with postgres_database(postgres, "new") as url:
        yield url


@pytest.fixture
def migrated_postgres_url(postgres: Path) -> Iterator[str]:
    """The URL of a migrated PostgreSQL database, empty at the start of every test."""
    yield _url(postgres, "migrated")
    with admin(postgres, "migrated") as connection:
        connection.execute("SET lock_timeout = '60s'")
        for table in WRITTEN:  # TRUNCATE takes twenty times as long: it makes new files
            connection.execute(f"DELETE FROM {table}")


@pytest.fixture(params=["sqlite", "postgres"])
def new_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database without tables, on each of the two."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'new.db'}"
    url: str = request.getfixturevalue("new_postgres")
    return url


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of a migrated database, on each of the two."""
    url: str = request.getfixturevalue(f"migrated_{request.param}_url")
    return url


def _url(folder: Path, database: str) -> str:
    return f"postgresql+psycopg://postgres@/{database}?host={folder}"
