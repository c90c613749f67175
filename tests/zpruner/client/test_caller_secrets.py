"""Secrets, with client and command line against the real API."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from typer.testing import CliRunner, Result

from api.app import create_app
from api.core.settings import ApiSettings
from tests.api.live import serving
from tests.fakes import ListQueue
from zpruner import Client, ProblemError
from zpruner.cli.commands.main import app

VALUE = "canary.of-the-client"


@pytest.fixture
def url(tmp_path: Path, database_url: str) -> Iterator[str]:
    key = Fernet.generate_key().decode()
    fields = {"data_dir": tmp_path, "database_url": database_url, "secrets_key": key}
    settings = ApiSettings.model_validate({"_env_file": None} | fields)
    with serving(create_app(settings, ListQueue())) as url:
        yield url


def run(url: str, *words: str, given: str = "") -> Result:
    return CliRunner(env={"ZPRUNER_URL": url}).invoke(app, ["secrets", *words], input=given)


def test_a_client_creates_replaces_lists_and_deletes_secrets(url: str) -> None:
    with Client(url) as client:
        assert client.secrets.create("hf", VALUE).replaced_at is None
        with pytest.raises(ProblemError, match="already a secret hf"):
            client.secrets.create("hf", VALUE)
        assert client.secrets.set("hf", VALUE).replaced_at is not None
        (listed,) = client.secrets.list()
        assert (listed.name, listed.created_by, listed.last_used_at) == ("hf", None, None)
        client.secrets.delete("hf")
        with pytest.raises(ProblemError, match="no secret hf"):
            client.secrets.delete("hf")
        assert client.secrets.list() == []


def test_the_command_line_reads_the_value_from_standard_input_and_never_prints_it(
    url: str,
) -> None:
    stored = run(url, "set", "hf", given=f"{VALUE}\n")
    assert (stored.exit_code, stored.stdout) == (0, "hf\n"), stored.stderr
    refused = run(url, "set", "hf", given="")
    assert refused.exit_code == 2
    assert "value: " in refused.stderr
    listed = run(url, "list")
    assert listed.stdout.split("\t")[0] == "hf"
    assert listed.stdout == run(url, "ls").stdout
    assert run(url, "rm", "hf").exit_code == 0
    assert run(url, "delete", "hf").exit_code == 7
    for done in (stored, refused, listed):
        assert "canary" not in done.output
    with_argument = run(url, "set", "hf", VALUE)
    assert with_argument.exit_code == 2
