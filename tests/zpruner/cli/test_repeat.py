"""What ``zpruner repeat`` takes, and how jobs with expected inputs are shown."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.zpruner.service import Answer, Service, job, problem
from zpruner.cli.commands.main import app

JOB_ID = "job_" + "0" * 32


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "give the provenance.json of a job, or a folder that has it"),
        ("{}", "is no statement of a job's files: _type: Field required"),
        ('{"_type": "other"}', "Input should be 'https://in-toto.io/Statement/v1'"),
        ("no JSON", "Invalid JSON"),
    ],
)
def test_a_file_that_is_no_statement_is_refused_with_the_reason(
    content: str | None, reason: str, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / "provenance.json").write_text(content)
    result = CliRunner(env={"COLUMNS": "400"}).invoke(app, ["repeat", str(tmp_path)])
    assert result.exit_code == 2
    assert reason in result.stderr


def test_a_name_of_nothing_is_refused(tmp_path: Path) -> None:
    result = CliRunner(env={"COLUMNS": "400"}).invoke(app, ["repeat", str(tmp_path / "gone")])
    assert result.exit_code == 2
    assert "is neither a file, nor a folder, nor the id of a job" in result.stderr


def test_a_job_without_provenance_cannot_be_repeated(service: Service) -> None:
    refused = Answer(404, problem("no_such_file", 404))
    service.prepare(f"/v1/jobs/{JOB_ID}/provenance", refused)
    result = CliRunner(env={"ZPRUNER_URL": service.url}).invoke(app, ["repeat", JOB_ID])
    assert (result.exit_code, "no_such_file it is" in result.stderr) == (7, True)


def test_a_job_is_shown_with_the_number_of_its_pins(service: Service) -> None:
    expect = {"calibration": "1f", "version/torch": "2.13.0"}
    service.prepare("/v1/jobs/job_1", Answer(200, job(spec={"expect": expect})))
    result = CliRunner(env={"ZPRUNER_URL": service.url}).invoke(app, ["get", "job_1"])
    assert "  expect: 2 inputs and versions\n" in result.stdout
