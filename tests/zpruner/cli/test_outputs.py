"""The command `zpruner outputs` and the option `--output`, against the real service."""

import json
from typing import Any

import pytest
import typer

from db.outputs.repository import OutputRepository
from db.outputs.sending import SendingRepository
from tests.api.work import finish
from tests.factories import make_job, make_problem, make_spec
from tests.zpruner.live import Live
from zpruner import Client
from zpruner.cli.output_option import read_output

HUB = {"hub": "org/name", "secret": "hf"}


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("hub:org/name@hf", HUB),
        ("s3://bucket/a/b@key", {"s3": "s3://bucket/a/b", "secret": "key"}),
        (
            "mlflow:https://mlflow.example/x#my runs",
            {"mlflow": "https://mlflow.example/x", "experiment": "my runs"},
        ),
        (
            "mlflow:https://mlflow.example#e@token",
            {"mlflow": "https://mlflow.example", "experiment": "e", "secret": "token"},
        ),
        (json.dumps(HUB | {"private": False}), HUB | {"private": False}),
    ],
)
def test_a_target_is_read_from_its_short_form_or_from_json(
    text: str, target: dict[str, Any]
) -> None:
    assert read_output(text) == target


@pytest.mark.parametrize(
    ("text", "lacking"),
    [
        ("s3://bkt/x", "lacks its secret: write s3://bkt/x@SECRET"),
        ("hub:org/name", "lacks its secret: write hub:org/name@SECRET"),
        ("mlflow:https://mlflow.example", "lacks its experiment: write mlflow:https://mlflow.exam"),
        ("org/name", "has none of the forms hub:ORG/NAME@SECRET, s3://BUCKET/PREFIX@SECRET, "),
    ],
)
def test_what_a_target_lacks_is_named(text: str, lacking: str) -> None:
    with pytest.raises(typer.BadParameter) as refused:
        read_output(text)
    assert f"{text} {lacking}" in str(refused.value)


@pytest.mark.parametrize("text", ["org/name", "hub:org/name", "s3://bucket", "{", "mlflow:x"])
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        read_output(text)


def test_a_target_is_submitted_and_checked_by_the_service(live: Live) -> None:
    words = ("submit", "org/model", "--sparsity", "0.5", "--dataset", "c4")
    refused = live.run(*words, "--output", "hub:org/name@none")
    assert refused.exit_code == 2
    assert "output.0.secret 'none'" in refused.stderr
    wrong = live.run(*words, "--output", "org/name")
    assert wrong.exit_code == 2
    assert "--output" in wrong.stderr


def test_outputs_are_shown_cancelled_and_sent_again(live: Live) -> None:
    job = make_job(live.sessions, make_spec(output=[HUB]))
    assert live.run("outputs", job.id).stdout == ""
    finish(live.sessions, live.store, job.id)
    (line,) = live.run("outputs", job.id).stdout.splitlines()
    assert line.split("\t")[:3] == ["0", "hub org/name", "waiting"]
    assert "cancelled" in live.run("outputs", job.id, "--cancel", "0").stdout
    again = json.loads(live.run("outputs", job.id, "--retry", "0", "--json").stdout)
    assert again[0]["state"] == "waiting"
    with live.sessions.begin() as session:
        held = SendingRepository(session).claim()
        assert held is not None
        SendingRepository(session).fail(held, make_problem(detail="it has no space"))
    assert "failed" in live.run("outputs", job.id).stdout
    assert "it has no space" in live.run("outputs", job.id).stdout
    impossible = live.run("outputs", job.id, "--cancel", "0")
    assert (impossible.exit_code, "cannot be cancelled" in impossible.stderr) == (2, True)
    assert live.run("outputs", job.id, "--retry", "4").exit_code == 7
    with Client(live.url) as client:
        assert client.jobs.get(job.id).outputs[0].state == "failed"
        assert client.jobs.retry_output(job.id, 0).state == "waiting"
        assert client.jobs.cancel_output(job.id, 0).state == "cancelled"
    with live.sessions() as session:
        assert OutputRepository(session).get(job.id, 0).attempts == 1
