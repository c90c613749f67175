"""Upgrade the configured database to this version's schema, or downgrade it to an older one."""

import argparse

from db.schema.migration import downgrade, migrate
from db.startup import checks
from db.startup.env_file import warn_of_ignored_file
from db.startup.private_files import keep_private
from db.startup.read_settings import read_settings
from db.startup.settings import Settings


def main() -> None:
    parser = argparse.ArgumentParser("zpruner part migrate", description=__doc__)
    parser.add_argument(
        "--to",
        metavar="MIGRATION",
        help="go back to this migration, such as 0013, before an older version is installed",
    )
    target = parser.parse_args().to
    warn_of_ignored_file("zpruner part migrate")
    with checks.exit_on_error("migrate"):
        settings = read_settings(Settings)
        checks.require([checks.database(settings.database, needs_tables=False)])
        if target is not None:
            checks.require([checks.downgrade_target(settings.database, target)])
        keep_private(settings.data_dir)
        if target is None:
            migrate(settings.database)
        else:
            downgrade(settings.database, target)


if __name__ == "__main__":
    main()
