"""A job that is run again from its provenance, through the whole service."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.commands import run
from tests.e2e.embedded import Service, submit
from tests.waiting import DEADLINE_S
from zpruner import Client

pytestmark = pytest.mark.e2e
REPORT = "report.json"


@pytest.fixture(scope="module")
def original(service: Service, tmp_path_factory: pytest.TempPathFactory, inputs: Path) -> Path:
    """The files of a job that was calibrated with a text of its own."""
    folder = tmp_path_factory.mktemp("original")
    (inputs / "own.txt").write_text((inputs / "text.txt").read_text())
    with Client(service.url) as client:
        job = submit(client, "tiny", samples=4, dataset="local:own.txt", name="first")
        client.jobs.wait(job.id, timeout_s=DEADLINE_S)
        client.jobs.download(job.id, folder)
    return folder


def repeat(service: Service, *words: str) -> tuple[subprocess.CompletedProcess[str], Any]:
    """Run ``zpruner repeat``, and return its end and its output as JSON."""
    ended = run(service, "repeat", *words, "--timeout", str(DEADLINE_S), "--json")
    return ended, json.loads(ended.stdout)


def statement(folder: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((folder / "provenance.json").read_text())
    return read


def test_a_job_repeated_on_the_same_machine_has_the_same_files(
    service: Service, client: Client, original: Path
) -> None:
    made = statement(original)
    job_id = made["predicate"]["runDetails"]["metadata"]["invocationId"]
    for source in (job_id, str(original)):
        ended, output = repeat(service, source, "--strict")
        assert ended.returncode == 0, ended.stderr
        outcomes = {one["name"]: one["outcome"] for one in output["files"]}
        assert outcomes.pop(REPORT) == "not compared"
        assert set(outcomes.values()) == {"equal"}
        assert {*outcomes, REPORT} == {one["name"] for one in made["subject"]}
        assert output["warnings"] == []
        again = client.jobs.get(output["job_id"])
        assert again.parent_id == (job_id if source == job_id else None)
        assert again.spec["expect"]["version/torch"]


def test_a_file_that_differs_is_named_and_another_version_is_a_warning(
    service: Service, original: Path, tmp_path: Path
) -> None:
    made = statement(original)
    next(one for one in made["subject"] if one["name"] == "README.md")["digest"]["sha256"] = "0"
    made["predicate"]["runDetails"]["builder"]["version"]["torch"] = "0.1"
    (tmp_path / "provenance.json").write_text(json.dumps(made))

    ended = run(service, "repeat", str(tmp_path / "provenance.json"), "--timeout", str(DEADLINE_S))

    assert ended.returncode == 1
    assert "not the same: README.md" in ended.stderr
    assert "warning: torch was 0.1 and is now" in ended.stderr
    rows = [line.split("\t") for line in ended.stdout.splitlines()]
    assert {row[0] for row in rows if row[1] == "different"} == {"README.md"}

    strict, output = repeat(service, str(tmp_path), "--strict")

    assert strict.returncode == 1
    assert output["error"]["code"] == "changed_version"
    assert "the worker has torch" in output["error"]["detail"]


def test_an_input_that_has_changed_fails_the_job_before_it_prunes(
    service: Service, client: Client, original: Path, inputs: Path
) -> None:
    text = (inputs / "own.txt").read_text()
    (inputs / "own.txt").write_text(f"{text}One more.\n")
    try:
        ended, output = repeat(service, str(original))
    finally:
        (inputs / "own.txt").write_text(text)
    assert ended.returncode == 1
    assert output["error"]["code"] == "changed_input"
    assert "calibration" in output["error"]["detail"]
    assert "pruning" not in [one["name"] for one in client.jobs.get(output["id"]).phases]
