"""Webhooks, with client and command line against the real API."""

import json
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from api.app import create_app
from api.core.settings import ApiSettings
from db.core.session import Sessions
from db.webhooks.dispatch import DispatchRepository, SendResult
from tests.api.live import serving
from tests.fakes import ListQueue
from zpruner import Client, ProblemError
from zpruner.cli.commands.main import app

URL = "https://hooks.example/zpruner"


@pytest.fixture
def url(tmp_path: Path, database_url: str) -> Iterator[str]:
    """The URL of a service."""
    fields = {"data_dir": tmp_path, "database_url": database_url}
    fields |= {"webhook_networks": (ip_network("10.0.0.0/8"),)}
    settings = ApiSettings.model_validate({"_env_file": None} | fields)
    with serving(create_app(settings, ListQueue())) as url:
        yield url


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    with Client(url) as client:
        yield client


def run(url: str, *words: str) -> Result:
    return CliRunner(env={"ZPRUNER_URL": url, "COLUMNS": "200"}).invoke(app, ["webhooks", *words])


def answered(sessions: Sessions, status: int, error: str | None = None) -> None:
    """Record a response to the one message that is due."""
    with sessions.begin() as session:
        dispatch = DispatchRepository(session)
        (claimed,) = dispatch.claim(10)
        assert dispatch.record_result(claimed, SendResult(0.25, status, error))


def test_a_client_creates_updates_rotates_and_deletes_webhooks(client: Client) -> None:
    made = client.webhooks.create(URL, ["job.failed"], description="ours")
    assert made.secret.startswith("whsec_")
    assert (made.events, made.description, made.enabled) == (("job.failed",), "ours", True)
    assert client.webhooks.create("http://10.0.0.1/").events[0] == "job.succeeded"
    with pytest.raises(ProblemError, match="private network"):
        client.webhooks.create("https://127.0.0.1/")
    changed = client.webhooks.update(made.id, enabled=False, events=["job.paused"])
    assert (changed.disabled_reason, changed.events) == ("by_request", ("job.paused",))
    assert client.webhooks.get(made.id) == changed
    rotated = client.webhooks.rotate(made.id, grace_s=0)
    assert rotated.secret != made.secret
    assert rotated.former_until is None
    assert client.webhooks.rotate(made.id).former_until is not None
    client.webhooks.delete(made.id)
    assert [one.url for one in client.webhooks.list()] == ["http://10.0.0.1/"]


def test_a_client_sends_a_test_reads_it_and_redelivers(client: Client, sessions: Sessions) -> None:
    webhook = client.webhooks.create(URL)
    first = client.webhooks.test(webhook.id)
    assert (first.status, first.attempts, first.body) == ("pending", 0, None)
    answered(sessions, 204)
    second = client.webhooks.test(webhook.id)
    listed = client.webhooks.deliveries(webhook.id)
    assert [one.id for one in listed] == [second.id, first.id]
    assert [one.id for one in client.webhooks.deliveries(webhook.id, limit=1)] == [second.id]
    (done,) = client.webhooks.deliveries(webhook.id, status="delivered")
    assert done.last is not None
    assert (done.id, done.last.status) == (first.id, 204)
    whole = client.webhooks.delivery(webhook.id, first.id)
    assert json.loads(whole.body or "")["id"] == first.id
    assert [one.seconds for one in whole.log] == [0.25]
    assert client.webhooks.redeliver(webhook.id, first.id).status == "pending"


def test_the_command_line_creates_a_webhook_and_prints_only_its_secret(url: str) -> None:
    made = run(url, "create", URL, "--event", "job.failed", "--event", "job.queued")
    assert made.exit_code == 0, made.stderr
    assert made.stdout.startswith("whsec_")
    assert made.stdout.count("\n") == 1
    assert "it is never shown again" in made.stderr
    listed = run(url, "ls").stdout
    assert "job.queued job.failed" in listed
    assert "enabled" in listed
    assert made.stdout.removesuffix("\n") not in listed


def test_the_command_line_updates_rotates_and_deletes(url: str) -> None:
    made = json.loads(run(url, "create", URL, "--description", "ours", "--json").stdout)
    words = ["--disable", "--url", "https://new.example/", "--event", "job.paused"]
    changed = run(url, "update", made["id"], *words)
    assert changed.stdout.splitlines() == [
        f"{made['id']} to https://new.example/: disabled, by_request",
        "  job.paused",
        "  ours",
    ]
    enabled = json.loads(run(url, "update", made["id"], "--enable", "--json").stdout)
    assert enabled["enabled"] is True
    assert json.loads(run(url, "get", made["id"], "--json").stdout) == enabled
    rotated = run(url, "rotate", made["id"], "--grace-s", "60")
    assert rotated.stdout.startswith("whsec_")
    assert rotated.stdout.removesuffix("\n") != made["secret"]
    assert "the old secret is valid until" in rotated.stderr
    assert (run(url, "rm", made["id"]).exit_code, run(url, "rm", made["id"]).exit_code) == (0, 7)
    assert run(url, "ls", "--json").stdout == "[]\n"


def test_the_command_line_sends_a_test_shows_it_and_redelivers(
    url: str, sessions: Sessions
) -> None:
    webhook = json.loads(run(url, "create", URL, "--json").stdout)["id"]
    delivery = run(url, "test", webhook).stdout.removesuffix("\n")
    answered(sessions, 302, "a redirect, which is not followed")
    listed = run(url, "deliveries", webhook, "--status", "pending").stdout
    assert delivery in listed
    assert "302 a redirect, which is not followed" in listed
    shown = run(url, "deliveries", webhook, delivery)
    assert json.loads(shown.stdout)["type"] == "webhook.test"
    assert "302 a redirect, which is not followed, 0.25 s" in shown.stderr
    assert "pending after 1 attempts" in shown.stderr
    whole = json.loads(run(url, "deliveries", webhook, delivery, "--json").stdout)
    assert (whole["body"] + "\n", len(whole["log"])) == (shown.stdout, 1)
    assert run(url, "redeliver", webhook, delivery).stdout == f"{delivery}\n"
    again = json.loads(run(url, "redeliver", webhook, delivery, "--json").stdout)
    assert (again["id"], again["attempts"]) == (delivery, 0)
    (row,) = json.loads(run(url, "deliveries", webhook, "--json").stdout)
    assert row == again


def test_a_refusal_ends_with_an_exit_code_and_a_remedy(url: str) -> None:
    refused = run(url, "create", "http://93.184.216.34/")
    assert (refused.exit_code, refused.stdout) == (2, "")
    webhook = json.loads(run(url, "create", URL, "--json").stdout)["id"]
    run(url, "update", webhook, "--disable")
    refused = run(url, "test", webhook)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "enabled" in refused.stderr
    assert run(url, "redeliver", webhook, "msg_" + "0" * 32).exit_code == 2
    assert run(url, "deliveries", webhook, "msg_" + "0" * 32).exit_code == 7
    assert run(url, "get", "whk_0").exit_code == 7
