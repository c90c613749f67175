"""Correct the daily sums of use: compare them with the jobs, while the service may keep running."""

import argparse
import sys

from db.backup.tables import snapshot
from db.core.session import open_sessions
from db.events.use_sums import add_sums, correction
from db.startup import checks
from db.startup.env_file import warn_of_ignored_file
from db.startup.read_settings import read_settings
from db.startup.settings import Settings


def main() -> None:
    argparse.ArgumentParser("zpruner part sums", description=__doc__).parse_args()
    warn_of_ignored_file("zpruner part sums")
    with checks.exit_on_error("sums"):
        settings = read_settings(Settings)
        checks.require([checks.database(settings.database)])
        days = correct_sums(settings.database)
    done = f"corrected on {days} days" if days else "right"
    sys.stdout.write(f"The daily sums are {done}.\n")


def correct_sums(url: str) -> int:
    """Make the sums those of the rows; return on how many days they were not.

    What they lack in a snapshot is added to them, as each transaction adds what it changes: nobody
    waits, and what ends meanwhile is counted once.
    """
    with snapshot(url) as connection:
        lacking = correction(connection)
    sessions = open_sessions(url)
    try:
        with sessions.begin() as session:
            add_sums(session.connection(), lacking)
    finally:
        sessions.kw["bind"].dispose()
    return len({one.day for one in lacking})


if __name__ == "__main__":
    main()
