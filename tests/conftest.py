"""Fixtures for all tests: a migrated SQLite of one's own."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from db.session import Sessions, migrate, open_sessions


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated empty database file, to copy."""
    path = tmp_path_factory.mktemp("sqlite") / "migrated.db"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture
def migrated_sqlite_url(tmp_path: Path, migrated_sqlite: Path) -> str:
    """The URL of a migrated SQLite of one's own."""
    path = shutil.copy(migrated_sqlite, tmp_path / "zpruner.db")
    return f"sqlite:///{path}"


@pytest.fixture
def database_url(migrated_sqlite_url: str) -> str:
    """The URL of a migrated database of one's own."""
    return migrated_sqlite_url


@pytest.fixture
def sessions(database_url: str) -> Iterator[Sessions]:
    """Sessions on a migrated database of one's own."""
    sessions = open_sessions(database_url)
    yield sessions
    sessions.kw["bind"].dispose()
