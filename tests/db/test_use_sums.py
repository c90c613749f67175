"""The command that corrects the daily sums of use."""

from pathlib import Path

from sqlalchemy import delete

from db.core.session import Sessions
from db.tables.daily_use import DailyUse
from tests.db.jobs.held import at, held_job
from tests.recipes import bash


def test_the_command_corrects_the_sums_and_says_on_how_many_days(
    sessions: Sessions, database_url: str, tmp_path: Path
) -> None:
    held_job(sessions, (at(-2), at(14)), (at(30), None))
    with sessions.begin() as session:
        session.execute(delete(DailyUse))
    settings = {"ZPRUNER_DATABASE_URL": database_url, "ZPRUNER_DATA_DIR": str(tmp_path)}
    done = bash("zpruner part sums && zpruner part sums", tmp_path, **settings)
    lines = ["The daily sums are corrected on 2 days.", "The daily sums are right."]
    assert (done.returncode, done.stdout.splitlines()) == (0, lines), done.stderr


def test_the_command_needs_tables_of_this_version(tmp_path: Path) -> None:
    done = bash("zpruner part sums", tmp_path, ZPRUNER_DATA_DIR=str(tmp_path))
    assert done.returncode == 2
    assert "no such file. Run `zpruner part migrate` first" in done.stderr
    assert done.stderr.count("\n") == 1
