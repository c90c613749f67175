"""Storage use, retention and pins, against the real service."""

import json
from pathlib import Path

import pytest

from db.core.retention_rules import RetentionRule
from tests.api.work import finish_job
from tests.zpruner.live import Live
from worker.control.retention import delete_files
from zpruner import Client, FilesDeletedError

RULE = {"name": "none", "max_jobs": 0, "labels": {"test": "storage"}}


@pytest.fixture
def job_id(live: Live) -> str:
    return finish_job(live.sessions, live.store, labels=RULE["labels"]).id


@pytest.fixture
def rules(tmp_path: Path) -> str:
    """A file with a rule that deletes the files of ``job_id``."""
    path = tmp_path / "rules.json"
    path.write_text(json.dumps([RULE]))
    return str(path)


def test_rules_are_tried_before_a_pin_and_after_it(live: Live, job_id: str, rules: str) -> None:
    tried = live.run("retention", "--rules", rules)
    assert tried.exit_code == 0
    (line,) = (line for line in tried.stdout.splitlines() if job_id in line)
    assert line.endswith("none\tthe job is not one of the newest 0 jobs with test=storage")
    assert "would delete the files of" in tried.stderr

    assert live.run("pin", job_id).stdout == f"{job_id} is pinned\n"
    assert job_id not in live.run("retention", "--rules", rules).stdout
    assert live.run("unpin", job_id).stdout == f"{job_id} is not pinned\n"
    shown = json.loads(live.run("retention", "--rules", rules, "--json").stdout)
    assert job_id in {one["job_id"] for one in shown["deletions"]}


def test_a_service_without_rules_says_so(live: Live) -> None:
    assert "there are no retention rules" in live.run("retention").stderr


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[", "is not JSON"),
        ("{}", "is not a JSON list"),
        ('[{"name": "old"}]', "rule old has no limit"),
    ],
)
def test_invalid_rules_are_refused(live: Live, tmp_path: Path, text: str, why: str) -> None:
    (path := tmp_path / "rules.json").write_text(text)
    refused = live.run("retention", "--rules", str(path))
    assert refused.exit_code == 2
    assert why in " ".join(refused.stderr.replace("│", "").split())


def test_the_use_of_storage_is_shown(live: Live, job_id: str) -> None:
    lines = [line.split("\t") for line in live.run("storage").stdout.splitlines()]
    assert [line[0] for line in lines[:3]] == ["files", "of pinned jobs", "free"]
    assert ["model", "org/model"] in [line[:2] for line in lines]
    assert json.loads(live.run("storage", "--json").stdout)["artifacts"] >= 4


def test_a_download_of_deleted_files_names_the_rule_and_writes_nothing(
    live: Live, job_id: str, tmp_path: Path
) -> None:
    delete_files(live.sessions, live.store, [RetentionRule.model_validate(RULE)])
    refused = live.run("download", job_id, str(tmp_path / "out"))
    assert refused.exit_code == 7
    assert f"the retention rule none deleted the files of job {job_id} at 20" in refused.stderr
    assert not (tmp_path / "out").exists()
    with Client(live.url) as client, pytest.raises(FilesDeletedError) as caught:
        client.jobs.download(job_id, tmp_path / "out")
    assert caught.value.artifact.deleted_by == "none"
