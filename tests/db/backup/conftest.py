"""Services to back up, and empty ones to restore into."""

from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from db.startup.settings import Settings
from tests.db.postgres import admin

KEY = Fernet.generate_key().decode()


def settings(data_dir: Path, database_url: str | None = None, **fields: object) -> Settings:
    data_dir.mkdir(mode=0o700, exist_ok=True)
    own = {"_env_file": None, "data_dir": data_dir, "database_url": database_url}
    return Settings.model_validate(own | {"secrets_key": KEY} | fields)


@pytest.fixture
def service(tmp_path: Path, database_url: str) -> Settings:
    """The settings of a service with a migrated database."""
    return settings(tmp_path / "data", database_url)


@pytest.fixture
def empty_service(tmp_path: Path, request: pytest.FixtureRequest) -> Settings:
    """The settings of a service that was never started, on SQLite by default."""
    url = None
    if getattr(request, "param", "sqlite") == "postgres":
        url = request.getfixturevalue("new_postgres")
        with admin(request.getfixturevalue("postgres")) as connection:
            connection.execute("ALTER DATABASE new SET timezone TO 'Asia/Tokyo'")
    return settings(tmp_path / "empty", url)
