"""PostgreSQL's limit of connections, where several processes serve the API."""

import pytest

from db.startup.connection_limit import connection_limit
from db.startup.server_settings import ServerSettings


def settings(url: str, workers: int) -> ServerSettings:
    fields = {"_env_file": None, "database_url": url, "api_workers": workers}
    return ServerSettings.model_validate(fields)


def test_more_processes_than_postgresql_has_connections_for_are_refused_with_both_numbers(
    migrated_postgres_url: str,
) -> None:
    (fits,) = connection_limit(settings(migrated_postgres_url, 2))
    (too_many,) = connection_limit(settings(migrated_postgres_url, 3))
    assert (fits.state, fits.text) == ("ok", "150 allowed, at most 146 used")
    assert too_many.state == "wrong"
    assert too_many.text.startswith("ZPRUNER_API_WORKERS=3: the service may open 204 connections")
    assert "max_connections of PostgreSQL is 150" in too_many.text


@pytest.mark.parametrize("workers", [1, 64])
def test_sqlite_has_no_limit(workers: int, migrated_sqlite_url: str) -> None:
    assert connection_limit(settings(migrated_sqlite_url, workers)) == []
