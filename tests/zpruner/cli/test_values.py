"""Values of options: what is no number, no JSON or no file is refused in one line."""

import json

import pytest
from typer.testing import CliRunner, Result

from tests.zpruner.service import Answer, Service, job
from zpruner.cli.commands.main import app
from zpruner.cli.values import read_json, value_of

SUBMIT = ("submit", "m", "--dataset", "c4")
TRIGGER = ("triggers", "create", "name", "generic", "--job")


def run(service: Service, *words: str) -> Result:
    env = {"ZPRUNER_URL": service.url, "COLUMNS": "200"}
    return CliRunner(env=env).invoke(app, list(words))


def test_numbers_words_and_other_texts_are_told_apart() -> None:
    read = [value_of(text) for text in ("3", "0.5", "null", "true", "owl", "nan", "1e999")]
    assert read == [3, 0.5, None, True, "owl", "nan", "1e999"]


@pytest.mark.parametrize("text", ["NaN", "[-Infinity]", "1e999", "{"])
def test_json_has_finite_numbers_only(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a finite number|Expecting"):
        read_json(text)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ((*SUBMIT, "--sparsity", "nan"), "--sparsity: nan is not a finite number"),
        ((*SUBMIT, "--max-cost", "inf"), "--max-cost: inf is not a finite number"),
        (
            (*SUBMIT, "--gate-max", "perplexity_ratio=nan"),
            "--gate-max perplexity_ratio: nan is not a finite number",
        ),
        (("keys", "create", "x", "--gpu-hours", "nan"), "--gpu-hours: nan is not a finite"),
        (("keys", "limit", "x", "--monthly-cost", "inf"), "--monthly-cost: inf is not a finite"),
        ((*SUBMIT, "--name", "\udcff"), "'\\udcff' cannot be sent, because it is not UTF-8"),
        (("edit", "job_1", "--name", "\udcff"), "'\\udcff' cannot be sent, because it is not"),
        (("sweep", "m", "--dataset", "c4", "--sparsity", "[NaN]"), "NaN is not a finite number"),
        ((*TRIGGER, '{"sparsity": NaN}'), "NaN is not a finite number"),
        ((*TRIGGER, "@nosuch"), "--job: nosuch cannot be read: No such file or directory"),
    ],
)
def test_a_value_that_cannot_be_sent_is_refused_before_a_request(
    words: tuple[str, ...], reason: str, service: Service
) -> None:
    refused = run(service, *words)
    assert (refused.exit_code, service.bodies) == (2, [])
    assert reason in refused.stderr


def test_nan_is_a_text_where_a_value_may_be_one(service: Service) -> None:
    service.prepare("/v1/jobs/job_0/rerun", Answer(201, job("queued")))
    assert run(service, "rerun", "job_0", "--set", "name=NaN").exit_code == 0
    assert json.loads(service.bodies[0]) == {"name": "NaN"}
    run(service, *TRIGGER, "{}", "--filter", "/x=NaN")
    assert json.loads(service.bodies[1])["filter"] == {"/x": "NaN"}
