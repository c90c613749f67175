"""A folder of a job's files is compared with its statement."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from zpruner.cli.main import app

FILES = {"config.json": b"{}", "nested/weights.bin": b"weights", "report.json": b"[]"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The files of a job, with a statement of them."""
    subject = []
    for name, content in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
        subject.append({"name": name, "digest": {"sha256": sha256(content).hexdigest()}})
    definition: dict[str, Any] = {
        "externalParameters": {"model": "org/model"},
        "resolvedDependencies": [],
    }
    document: dict[str, Any] = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": subject,
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {"buildDefinition": definition, "runDetails": {"builder": {}}},
    }
    (tmp_path / "provenance.json").write_text(json.dumps(document))
    (tmp_path / "SHA256SUMS").write_text("")
    return tmp_path


def verify(folder: Path, *words: str) -> Result:
    return CliRunner().invoke(app, ["verify", str(folder), *words])


def test_files_as_the_job_wrote_them_are_verified(folder: Path) -> None:
    result = verify(folder)
    assert (result.exit_code, result.stderr) == (0, "all files are as the job wrote them\n")
    rows = [line.split("\t")[:2] for line in result.stdout.splitlines()]
    assert rows == [[name, "equal"] for name in FILES]


def test_a_file_that_is_different_missing_or_new_is_named(folder: Path) -> None:
    (folder / "report.json").write_text("[1]")
    (folder / "config.json").unlink()
    (folder / "other.txt").touch()
    result = verify(folder, "--json")
    assert result.exit_code == 1
    assert result.stderr == "not the same: config.json, other.txt, report.json\n"
    outcomes = {one["name"]: one["outcome"] for one in json.loads(result.stdout)}
    assert outcomes.pop("nested/weights.bin") == "equal"
    expected = {"config.json": "missing", "other.txt": "new", "report.json": "different"}
    assert outcomes == expected


def test_a_folder_without_a_statement_cannot_be_verified(tmp_path: Path) -> None:
    result = verify(tmp_path)
    assert (result.exit_code, "No such file" in result.stderr) == (2, True)
