"""What the courier does is tried on both databases."""

from tests.db.conftest import database_url, migrated_postgres_url, postgres

__all__ = ["database_url", "migrated_postgres_url", "postgres"]
