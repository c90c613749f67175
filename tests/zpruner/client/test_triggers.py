"""Triggers, with client and command line against the real API."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner, Result

from api.app import create_app
from api.core.settings import ApiSettings
from tests.api.calls import COMMIT, JOB, PUSH, TRIGGER
from tests.api.live import serving
from tests.fakes import ListQueue
from zpruner import Client, ProblemError
from zpruner.cli.commands.main import app

WORDS = (
    *("--filter", "/event/scope=repo", "--filter", "/event/scope=repo.content"),
    *("--filter", "/repo/type=model", "--map", "model=/repo/name"),
    *("--map", "labels.commit=/repo/headSha"),
)


@pytest.fixture
def url(tmp_path: Path, database_url: str) -> Iterator[str]:
    """The URL of a service."""
    fields = {"_env_file": None, "data_dir": tmp_path, "database_url": database_url}
    settings = ApiSettings.model_validate(fields | {"hf_endpoint": "http://127.0.0.1:9"})
    with serving(create_app(settings, ListQueue())) as url:
        yield url


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    with Client(url) as client:
        yield client


def run(url: str, *words: str) -> Result:
    return CliRunner(env={"ZPRUNER_URL": url, "COLUMNS": "250"}).invoke(app, ["triggers", *words])


def call(url: str, trigger_id: str, secret: str, payload: object = PUSH) -> httpx.Response:
    headers = {"authorization": f"Bearer {secret}"}
    return httpx.post(f"{url}/v1/hooks/{trigger_id}", json=payload, headers=headers, timeout=60)


def test_a_client_creates_updates_tests_and_deletes_triggers(url: str, client: Client) -> None:
    filters, mapped = TRIGGER["filter"], TRIGGER["map"]
    made = client.triggers.create("on push", "generic", JOB, filter=filters, map=mapped)
    assert made.secret.startswith("whsec_")
    assert (made.filter, made.map, made.job) == (filters, mapped, JOB)
    with pytest.raises(ProblemError, match="Add it"):
        client.triggers.create("on push", "generic", JOB)
    changed = client.triggers.update(made.id, name="other")
    assert client.triggers.get(made.id) == changed
    tried = client.triggers.test(made.id, PUSH)
    assert tried.job is not None
    assert tried.job.labels == {"commit": COMMIT, "trigger": made.id}
    assert client.triggers.test(made.id, {}).outcome == "ignored"

    assert call(url, made.id, made.secret).status_code == 202
    assert call(url, made.id, made.secret, {}).status_code == 200
    refused = call(url, made.id, made.secret, PUSH | {"repo": {"type": "model"}})
    assert refused.status_code == 422
    last, second, first = client.triggers.deliveries(made.id)
    assert (first.outcome, second.outcome, last.outcome) == ("submitted", "ignored", "refused")
    assert last.problem is not None
    assert last.problem.code == "unmapped"
    assert client.jobs.get(first.job_id or "").spec["model"] == "org/model"
    assert client.triggers.deliveries(made.id, limit=1) == [last]

    rotated = client.triggers.rotate(made.id, grace_s=0)
    assert call(url, made.id, made.secret).status_code == 401
    assert rotated.former_until is None
    client.triggers.delete(made.id)
    assert client.triggers.list() == []


def test_the_command_line_creates_a_trigger_and_prints_only_its_secret(url: str) -> None:
    made = run(url, "create", "on push", "generic", "--job", json.dumps(JOB), *WORDS)
    assert made.exit_code == 0, made.stderr
    assert made.stdout.startswith("whsec_")
    assert made.stdout.count("\n") == 1
    assert "called at /v1/hooks/trg_" in made.stderr
    listed = run(url, "ls").stdout
    assert "on push" in listed
    assert made.stdout.removesuffix("\n") not in listed


def test_the_command_line_shows_updates_rotates_and_deletes(url: str, tmp_path: Path) -> None:
    file = tmp_path / "job.json"
    file.write_text(json.dumps(JOB))
    words = ("create", "on push", "github", "--job", f"@{file}", *WORDS, "--json")
    made = json.loads(run(url, *words).stdout)
    assert made["filter"] == TRIGGER["filter"]
    assert made["map"] == TRIGGER["map"]
    changed = run(url, "update", made["id"], "--name", "other", "--filter", "/number=7")
    assert changed.stdout.splitlines() == [
        f"{made['id']} other: github, POST {made['hook']}",
        "  if /number is 7",
        "  sparsity: 0.5",
        '  dataset: "wikitext2"',
        "  model: from /repo/name",
        "  labels.commit: from /repo/headSha",
    ]
    whole = json.loads(run(url, "get", made["id"], "--json").stdout)
    assert whole == json.loads(run(url, "update", made["id"], "--json").stdout)
    rotated = run(url, "rotate", made["id"])
    assert rotated.stdout.removesuffix("\n") != made["secret"]
    assert "the old secret is valid until" in rotated.stderr
    assert (run(url, "rm", made["id"]).exit_code, run(url, "rm", made["id"]).exit_code) == (0, 7)
    assert run(url, "ls", "--json").stdout == "[]\n"


def test_the_command_line_tests_a_payload_and_lists_deliveries(url: str, tmp_path: Path) -> None:
    words = ("create", "on push", "generic", "--job", json.dumps(JOB), *WORDS, "--json")
    made = json.loads(run(url, *words).stdout)
    file = tmp_path / "payload.json"
    file.write_text(json.dumps(PUSH))
    tried = run(url, "test", made["id"], f"@{file}").stdout
    assert tried.startswith("would be accepted\n")
    assert "  model: org/model" in tried
    ignored = run(url, "test", made["id"], "{}").stdout
    assert ignored == "would be ignored: the payload has no value at /event/scope\n"
    job = call(url, made["id"], made["secret"]).json()["job_id"]
    call(url, made["id"], made["secret"], {})
    listed = run(url, "deliveries", made["id"]).stdout
    for text in ("submitted", job, "ignored", "the payload has no value at /event/scope"):
        assert text in listed
    rows = json.loads(run(url, "deliveries", made["id"], "--limit", "1", "--json").stdout)
    assert [one["outcome"] for one in rows] == ["ignored"]


def test_a_refusal_ends_with_an_exit_code(url: str) -> None:
    for words in (
        ("create", "a", "generic", "--job", "{"),
        ("create", "a", "generic", "--job", "@/nowhere"),
        ("create", "a", "generic", "--job", "{}", "--map", "model"),
        ("create", "a", "gitlab", "--job", json.dumps(JOB)),
    ):
        refused = run(url, *words)
        assert (refused.exit_code, refused.stdout) == (2, "")
    assert run(url, "get", "trg_0").exit_code == 7
    assert run(url, "test", "trg_0", "{}").exit_code == 7
