"""Bring the configured database up to date: ``python -m db.migrate``."""

from db import checks
from db.session import migrate
from db.settings import Settings

if __name__ == "__main__":
    with checks.refusing("db.migrate"):
        settings = checks.read(Settings)
        checks.require([checks.database(settings.database, needs_tables=False)])
    migrate(settings.database)
