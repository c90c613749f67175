"""Cancelling jobs: by their ids, or by a filter that is not empty by mistake."""

import json

import pytest
from typer.testing import CliRunner, Result

from tests.zpruner.service import Answer, Service
from zpruner.cli.commands.main import app


def run(service: Service, *words: str) -> Result:
    return CliRunner(env={"ZPRUNER_URL": service.url, "COLUMNS": "200"}).invoke(app, list(words))


def test_cancel_takes_several_ids_or_a_filter(service: Service) -> None:
    done = {"cancelled": ["job_1"], "ended": ["job_2"], "missing": [], "has_more": True}
    service.prepare("/v1/cancel", Answer(200, done))
    several = run(service, "cancel", "job_1", "job_2")
    assert several.stdout.splitlines() == ["job_1 cancelled", "job_2 had ended"]
    assert "run the command again" in several.stderr
    run(service, "cancel", "--status", "queued", "--label", "team=nlp")
    assert json.loads(service.bodies[-1]) == {
        "filter": {"status": ["queued"], "labels": {"team": "nlp"}}
    }
    service.prepare("/v1/cancel", Answer(200, done | {"missing": ["job_3"]}))
    assert run(service, "cancel", "job_1", "job_3").exit_code == 7
    sent = len(service.bodies)
    for wrong in ((), ("job_1", "--status", "queued")):
        refused = run(service, "cancel", *wrong)
        assert refused.exit_code == 2
    assert len(service.bodies) == sent


@pytest.mark.parametrize("option", ["--status", "--model", "--sweep", "--search"])
def test_an_empty_filter_cancels_nothing(option: str, service: Service) -> None:
    refused = run(service, "cancel", option, "", "--label", "team=nlp")
    assert refused.exit_code == 2
    assert f"{option}: the value is empty" in refused.stderr
    assert service.bodies == []
