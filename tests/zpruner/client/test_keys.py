"""Keys, with client and command line against the real API."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from api.app import create_app
from api.core.settings import ApiSettings
from db.core.session import Sessions
from db.tables.access import AccessScope
from tests.api.live import serving
from tests.factories import make_key
from tests.fakes import ListQueue
from zpruner import Client, ProblemError
from zpruner.cli.commands.main import app


@pytest.fixture
def url(tmp_path: Path, database_url: str) -> Iterator[str]:
    """The URL of a service that requires keys."""
    fields = {"data_dir": tmp_path, "database_url": database_url, "auth": "keys"}
    settings = ApiSettings.model_validate({"_env_file": None} | fields)
    with serving(create_app(settings, ListQueue())) as url:
        yield url


@pytest.fixture
def admin(sessions: Sessions) -> str:
    return make_key(sessions, AccessScope.admin, name="Ada")[1]


def run(url: str, key: str | None, *words: str) -> Result:
    env = {"ZPRUNER_URL": url, "ZPRUNER_API_KEY": key}
    return CliRunner(env=env).invoke(app, list(words))


def test_a_client_creates_lists_rotates_and_revokes_keys(url: str, admin: str) -> None:
    with Client(url, admin) as client:
        made = client.keys.create("ci", ["jobs:read"], jobs_in_flight=2)
        assert (made.scopes, made.quotas.jobs_in_flight) == (["jobs:read"], 2)
        assert client.me().name == "Ada"
        with Client(url, made.key) as other:
            me = other.me()
            assert me.key is not None
            assert me.quotas is not None
            assert (me.key.id, me.quotas["jobs_in_flight"].allowed) == (made.id, 2)
            with pytest.raises(ProblemError, match="admin"):
                other.keys.list()
        limited = client.keys.limit(made.id, monthly_cost=500.0)
        assert (limited.quotas.monthly_cost, limited.quotas.jobs_in_flight) == (500.0, 2)
        freed = run(url, admin, "keys", "limit", made.id, "--jobs-in-flight", "3")
        assert freed.stdout.strip() == "jobs_in_flight 3, monthly_cost 500"
        rotated = client.keys.rotate(made.id, grace_s=0)
        with Client(url, made.key) as old, pytest.raises(ProblemError, match="no such key"):
            old.me()
        assert rotated.key not in repr(client.keys.get(made.id))
        assert client.keys.revoke(made.id).revoked_at is not None
        assert [key.name for key in client.keys.list()] == ["ci", "Ada"]


def test_the_command_line_creates_a_valid_key(url: str, admin: str) -> None:
    made = run(url, admin, "keys", "create", "ci", "--scope", "jobs:read", "--gpu-hours", "1.5")
    assert made.exit_code == 0, made.stderr
    assert "it is never shown again" in made.stderr
    key = made.stdout.removesuffix("\n")
    who = run(url, key, "me")
    assert who.stdout.splitlines()[0] == "ci: jobs:read"
    assert "gpu_hours: 0, of 1.5" in who.stdout
    assert json.loads(run(url, key, "me", "--json").stdout)["name"] == "ci"
    assert run(url, key, "ls", "--json").stdout == "[]\n"


def test_the_command_line_lists_rotates_and_revokes(url: str, admin: str) -> None:
    words = ["--admin", "--expires-at", "2999-01-05T09:30:00Z", "--json"]
    made = json.loads(run(url, admin, "keys", "create", "Bob", *words).stdout)
    assert made["scopes"] == ["admin"]
    rotated = run(url, admin, "keys", "rotate", made["id"], "--grace-s", "60")
    assert "the old secret is valid until" in rotated.stderr
    new = rotated.stdout.removesuffix("\n")
    assert new.startswith("zpr_")
    assert new != made["key"]
    listed = run(url, new, "keys", "ls").stdout
    assert "Bob" in listed
    assert "2999-01-05 09:30:00" in listed
    assert new not in listed
    assert run(url, admin, "keys", "revoke", made["id"]).stdout.startswith("revoked ")
    keys = json.loads(run(url, admin, "keys", "ls", "--json").stdout)
    assert [key["name"] for key in keys] == ["Bob", "Ada"]


def test_a_missing_wrong_or_insufficient_key_ends_with_exit_code_6(
    url: str, sessions: Sessions
) -> None:
    _, reader = make_key(sessions, AccessScope.jobs_read)
    for key, text in ((None, "has no key"), ("x", "does not look like"), (reader, "admin")):
        refused = run(url, key, "keys", "ls")
        assert (refused.exit_code, refused.stdout) == (6, "")
        assert text in refused.stderr
