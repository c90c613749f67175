"""Bring the configured database up to date: ``zpruner part migrate``."""

from db import checks
from db.private import keep_private
from db.session import migrate
from db.settings import Settings


def main() -> None:
    """Migrate, and end."""
    with checks.refusing("migrate"):
        settings = checks.read(Settings)
        checks.require([checks.database(settings.database, needs_tables=False)])
        keep_private(settings.data_dir)
    migrate(settings.database)


if __name__ == "__main__":
    main()
