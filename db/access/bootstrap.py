"""``zpruner keys bootstrap NAME``: creates the first API key."""

import argparse

from db.access.keys import KeyRepository
from db.core.session import open_sessions
from db.schema.migration import migrate
from db.startup import checks
from db.startup.env_file import warn_of_ignored_file
from db.startup.private_files import keep_private
from db.startup.read_settings import read_settings
from db.startup.settings import Settings
from db.tables.access import AccessScope


def main() -> None:
    """Create a key directly in the database, without a running service, and print it."""
    parser = argparse.ArgumentParser("zpruner keys bootstrap", description=main.__doc__)
    parser.add_argument("name", help="the owner of the key")
    admin = [AccessScope.admin]
    parser.add_argument(
        "--scopes",
        nargs="+",
        choices=list(AccessScope),
        default=admin,
        metavar="SCOPE",
        help=f"any of {', '.join(AccessScope)}; by default admin",
    )
    arguments = parser.parse_args()
    warn_of_ignored_file("zpruner keys bootstrap")
    with checks.exit_on_error("keys"):
        settings = read_settings(Settings)
        database = settings.database
        checks.require([checks.database(database, needs_tables=False)])
        keep_private(settings.data_dir)
        migrate(database)
    with open_sessions(database).begin() as session:
        _, token = KeyRepository(session).create(arguments.name, arguments.scopes)
    print(token.text)  # noqa: T201 - the command's output


if __name__ == "__main__":
    main()
