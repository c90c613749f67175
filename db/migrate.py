"""Bring the configured database up to date: ``python -m db.migrate``."""

from db.session import migrate
from db.settings import Settings

if __name__ == "__main__":
    migrate(Settings().database)
