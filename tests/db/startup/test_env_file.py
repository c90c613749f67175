"""Which file of settings is read, and which is not."""

import os
import re
from pathlib import Path

import pytest

from db.startup.env_file import VARIABLE, read_env_file, warn_of_ignored_file
from db.startup.read_settings import SettingsError, read_settings
from db.startup.server_settings import ServerSettings

LINES = """
HF_TOKEN=of-the-file
HF_ENDPOINT=http://127.0.0.1:9
HF_HOME=
OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318
AWS_REGION=eu-central-1
POSTGRES_PASSWORD=not-ours
ZPRUNER_PORT=8001
"""


@pytest.fixture(autouse=True)
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data folder; the current folder is another one, and no variable is set."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("ZPRUNER_")}
    (data := tmp_path / "data").mkdir()
    (current := tmp_path / "current").mkdir()
    monkeypatch.setattr(os, "environ", env | {"ZPRUNER_DATA_DIR": str(data)})
    monkeypatch.chdir(current)
    return data


def test_the_file_in_the_data_folder_sets_what_the_environment_does_not(data_dir: Path) -> None:
    (data_dir / ".env").write_text(LINES)
    os.environ["HF_TOKEN"] = "of-the-environment"
    assert read_settings(ServerSettings).port == 8001
    assert os.environ["HF_TOKEN"] == "of-the-environment"
    assert os.environ["HF_ENDPOINT"] == "http://127.0.0.1:9"
    assert os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://collector:4318"
    assert os.environ["AWS_REGION"] == "eu-central-1"
    assert not {"HF_HOME", "POSTGRES_PASSWORD"} & os.environ.keys()


def test_a_file_in_the_current_folder_is_named_but_not_used(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path(".env").write_text(LINES)
    before = dict(os.environ)
    assert read_settings(ServerSettings).port == 8000
    assert os.environ == before
    warn_of_ignored_file("zpruner serve")
    [line] = capsys.readouterr().err.splitlines()
    assert re.fullmatch(
        r"zpruner serve: /.*/current/\.env is not used \(.*\)\. To use it: .*", line
    )
    assert "HF_ENDPOINT" in line
    assert "POSTGRES_PASSWORD" not in line
    assert "of-the-file" not in line


def test_a_named_file_is_used_and_nothing_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    Path(".env").write_text(LINES)
    os.environ[VARIABLE] = ".env"
    warn_of_ignored_file("zpruner serve")
    assert read_settings(ServerSettings).port == 8001
    assert capsys.readouterr().err == ""


def test_a_file_without_our_variables_is_not_mentioned(capsys: pytest.CaptureFixture[str]) -> None:
    Path(".env").write_text("POSTGRES_PASSWORD=x\nZPRUNER_AUTH=\n")
    warn_of_ignored_file("zpruner serve")
    assert capsys.readouterr().err == ""


def test_a_current_folder_that_is_the_data_folder_is_not_mentioned(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(data_dir)
    Path(".env").write_text(LINES)
    warn_of_ignored_file("zpruner serve")
    assert (read_settings(ServerSettings).port, capsys.readouterr().err) == (8001, "")


def test_a_named_file_that_does_not_exist_is_refused() -> None:
    os.environ[VARIABLE] = "missing.env"
    with pytest.raises(SettingsError, match=r"ZPRUNER_ENV_FILE=missing\.env: no such file"):
        read_settings(ServerSettings)


def test_a_file_that_is_not_text_is_refused_with_its_path(data_dir: Path) -> None:
    (data_dir / ".env").write_bytes(b"ZPRUNER_PORT=\xff\xfe\n")
    with pytest.raises(SettingsError, match=rf"{data_dir}/\.env is not text"):
        read_settings(ServerSettings)


def test_a_file_in_the_data_folder_cannot_name_another_data_folder(data_dir: Path) -> None:
    (data_dir / ".env").write_text("ZPRUNER_DATA_DIR=/elsewhere\n")
    with pytest.raises(ValueError, match=r"sets ZPRUNER_DATA_DIR\. Remove that line"):
        read_env_file()
