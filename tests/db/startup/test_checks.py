"""Errors in settings are reported before anything starts, with the setting, its value, a remedy."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import create_engine, text

from api.core.settings import ApiSettings
from db.schema.migration import migrate, migration_config
from db.startup.checks import broker, database, downgrade_target, folders
from db.startup.read_settings import SettingsError, read_settings
from db.startup.settings import Settings
from tests.db.postgres import admin
from tests.recipes import bash
from tests.waiting import DEADLINE_S
from worker.settings import WorkerSettings
from zpruner.serve.serve import ServeSettings

REMEDY = "Correct it, in the environment or in .env, or remove it"
NOWHERE = "redis://:secret@127.0.0.1:1/0"


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the developer's own settings from the tests; the data folder is `tmp_path`."""
    monkeypatch.setattr(os, "environ", os.environ.copy())
    for name in list(os.environ):
        if name.startswith("ZPRUNER_"):
            del os.environ[name]
    os.environ["ZPRUNER_DATA_DIR"] = str(tmp_path)


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("LEASE_S", "abc", "valid number"),
        ("LEASE_S", "-5", "greater than 0"),
        ("LEASE_S", "0", "greater than 0"),
        ("LEASE_S", "inf", "less than or equal to 315360000"),
        ("KEEP_UNFINISHED_S", "1e300", "less than or equal to 315360000"),
        ("DEVICE", "foo", "it is not auto, cpu, cuda, or a GPU such as cuda:1"),
        ("DEVICES", "0", "greater than or equal to 1"),
        ("DATABASE_URL", "mysql://u:secret@h/x", "begin with postgresql+psycopg:// or sqlite:///"),
        ("DATABASE_URL", "postgresql://u:secret@h/x", "begin with postgresql+psycopg://"),
        ("DATABASE_URL", "postgresql+psycopg://h:abc/x", "It is not a URL"),
        ("DATABASE_URL", "sqlite:///:memory:", "SQLite needs a file"),
        ("BROKER_URL", "amqp://u:secret@h", "begin with redis:// or rediss://"),
        ("BROKER_URL", "redis://h:abc/0", "It is not a URL"),
        ("DATA_DIR", "~nobody-of-this-name/x", "home directory"),
        ("WEBHOOK_NETWORKS", "inside", "IPv4"),
        ("INPUT_URLS", "https://models.example", "should be file:///folder or s3://bucket/prefix"),
        ("INPUT_URLS", "s3://models/../all", "may not contain '..'"),
    ],
)
def test_an_invalid_value_is_reported_in_one_line(
    name: str, value: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"ZPRUNER_{name}", value)
    with pytest.raises(SettingsError) as refused:
        read_settings(WorkerSettings)
    message = str(refused.value)
    assert message.startswith(f"ZPRUNER_{name}={value.replace('secret', '***')}: ")
    assert why in message
    assert REMEDY in message
    assert "\n" not in message
    assert "secret" not in message


def test_a_misspelt_name_is_rejected_with_the_nearest_known_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("ZPRUNER_PROT=8000\nPOSTGRES_PASSWORD=x\n")
    monkeypatch.setenv("ZPRUNER_LEASES", "60")
    monkeypatch.setenv("ZPRUNER_URL", "http://of-the-client")
    with pytest.raises(SettingsError) as refused:
        read_settings(Settings)
    first, second = str(refused.value).splitlines()
    assert first.startswith("ZPRUNER_LEASES is not a setting. Did you mean ZPRUNER_LEASE_S?")
    assert second.startswith("ZPRUNER_PROT is not a setting. Did you mean ZPRUNER_PORT?")


def test_all_errors_are_reported_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZPRUNER_LEASE_S", "0")
    monkeypatch.setenv("ZPRUNER_DEVICES", "x")
    monkeypatch.setenv("ZPRUNER_NONSENSE", "x")
    with pytest.raises(SettingsError) as refused:
        read_settings(WorkerSettings)
    assert len(str(refused.value).splitlines()) == 3


def test_good_settings_are_read_by_every_part(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("ZPRUNER_LEASE_S=7\nZPRUNER_PORT=8001\n")
    assert read_settings(WorkerSettings).lease_s == 7
    assert read_settings(ApiSettings).port == read_settings(ServeSettings).port == 8001
    assert read_settings(ServeSettings, port=9).port == 9


@pytest.mark.parametrize("data_dir", ["file", "file/below", "/proc/below", "/dev/null"])
def test_an_unusable_data_folder_is_rejected(data_dir: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    found = folders(Settings(data_dir=tmp_path / data_dir))[0]
    assert found.state == "wrong"
    assert found.text.startswith(f"ZPRUNER_DATA_DIR={tmp_path / data_dir}: ")
    assert "Name another" in found.text


def test_roots_must_exist_and_the_data_folder_may_be_created_later(tmp_path: Path) -> None:
    roots = f"{tmp_path}:{tmp_path / 'gone'}"
    found = folders(Settings(data_dir=tmp_path / "new" / "data", model_roots=roots))
    states = {finding.subject: finding.state for finding in found}
    assert states == {"data folder": "ok", "model roots": "wrong", "dataset roots": "absent"}
    assert f"ZPRUNER_MODEL_ROOTS={roots}: no such folder: {tmp_path / 'gone'}." in found[1].text
    assert list(tmp_path.iterdir()) == []


def test_an_unreachable_service_is_awaited_and_then_reported_without_its_password() -> None:
    start = time.monotonic()
    found = broker(NOWHERE, timeout_s=0.5)
    assert time.monotonic() - start >= 0.5
    assert found.state == "wrong"
    assert found.text.startswith("ZPRUNER_BROKER_URL=redis://:***@127.0.0.1:1/0 cannot be reached")
    found = database("postgresql+psycopg://u:secret@127.0.0.1:1/x", timeout_s=0)
    assert found.state == "wrong"
    assert "ZPRUNER_DATABASE_URL=postgresql+psycopg://u:***@127.0.0.1:1/x cannot" in found.text
    assert "secret" not in found.text


def test_a_database_is_checked_by_its_migration(new_database_url: str) -> None:
    assert database(new_database_url, needs_tables=False).state == "ok"
    assert "zpruner part migrate" in database(new_database_url, timeout_s=0).text
    engine = create_engine(new_database_url)
    with engine.begin() as connection:
        command.upgrade(migration_config(connection), "0009")
    assert database(new_database_url, needs_tables=False).state == "ok"
    assert database(new_database_url, timeout_s=0).state == "wrong"
    migrate(new_database_url)
    assert database(new_database_url).state == "ok"
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'a9999'"))
    engine.dispose()
    found = database(new_database_url, needs_tables=False)
    assert found.state == "wrong"
    assert "is at migration a9999, which belongs to a newer version of Z-Pruner" in found.text


def test_a_process_works_with_tables_that_a_newer_version_has_only_added_to(
    new_database_url: str,
) -> None:
    migrate(new_database_url)
    engine = create_engine(new_database_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    migrate(new_database_url)
    found = database(new_database_url)
    assert found.state == "ok"
    assert "migration 9999, from a newer version, which has only added to them" in found.text
    wanted = downgrade_target(new_database_url, "0009")
    assert (wanted.state, "is at 9999" in wanted.text) == ("wrong", True)
    with engine.begin() as connection:
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == "9999"
    engine.dispose()


def test_a_database_that_cannot_hold_every_text_is_rejected(postgres: Path) -> None:
    with admin(postgres) as connection:
        connection.execute("CREATE DATABASE bytes ENCODING 'SQL_ASCII' TEMPLATE template0")
        url = f"postgresql+psycopg://postgres@/bytes?host={postgres}"
        found = database(url, needs_tables=False, timeout_s=0)
        connection.execute("DROP DATABASE bytes")
    assert found.state == "wrong"
    assert "has the encoding SQL_ASCII, which cannot hold every text" in found.text
    assert "ENCODING 'UTF8'" in found.text


def test_a_file_that_is_not_a_database_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "zpruner.db").write_text("no database at all" * 100)
    found = database(f"sqlite:///{tmp_path / 'zpruner.db'}", timeout_s=0)
    assert (found.state, "file is not a database" in found.text) == ("wrong", True)


def test_a_failed_migration_is_reported_in_one_line(
    new_postgres: str, postgres: Path, tmp_path: Path
) -> None:
    with admin(postgres) as connection:
        connection.execute("CREATE ROLE other LOGIN")
    settings = {
        "ZPRUNER_DATABASE_URL": new_postgres.replace("postgres@", "other@"),
        "ZPRUNER_DATA_DIR": str(tmp_path / "data"),
    }
    done = bash("zpruner part migrate", tmp_path, **settings)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "the database reported an error: permission denied for schema public" in done.stderr
    with admin(postgres) as connection:
        connection.execute("DROP ROLE other")


BY_HAND = {
    "api": ("part", "api", "--port", "1"),
    "worker": ("part", "worker"),
    "migrate": ("part", "migrate"),
    "keys": ("keys", "bootstrap", "ops"),
}


@pytest.mark.parametrize("part", BY_HAND)
def test_a_part_that_is_started_by_hand_prints_one_line_and_exits_with_2(
    part: str, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    wrong_value = {"ZPRUNER_DATABASE_URL": "mysql://h/x", "ZPRUNER_DATA_DIR": str(tmp_path / "d")}
    wrong_place = {"ZPRUNER_DATABASE_URL": f"sqlite:///{tmp_path}/file/zpruner.db"}
    for wrong in (wrong_value, wrong_place):
        done = subprocess.run(
            [sys.executable, "-P", "-m", "zpruner", *BY_HAND[part]],
            env=os.environ | {"ZPRUNER_DATA_DIR": str(tmp_path / "d")} | wrong,
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
        )
        assert done.returncode == 2, done.stderr
        lines = [line for line in done.stderr.splitlines() if line.startswith(f"{part}: ")]
        assert f"ZPRUNER_DATABASE_URL={wrong['ZPRUNER_DATABASE_URL']}" in lines[0]
        assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
