"""What the retention rules delete, and what clients see of it before and after."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.core.settings import ApiSettings
from db.core.retention_rules import RetentionRule
from db.core.session import Sessions
from db.files.artifact_store import ArtifactStore
from db.files.retention import KEPT
from tests.api.work import FILES, finish_job
from worker.control.retention import delete_files

RULE = RetentionRule(name="newest", max_jobs=1)
KEPT_BYTES = sum(len(FILES[name]) for name in KEPT & FILES.keys())


@pytest.fixture
def settings(settings: ApiSettings) -> ApiSettings:
    return settings.model_copy(update={"retention": (RULE,)})


@pytest.fixture
def jobs(sessions: Sessions, store: ArtifactStore) -> list[str]:
    """Two finished jobs; a rule deletes the files of the first."""
    return [finish_job(sessions, store, labels={"team": "nlp"}).id for _ in range(2)]


@pytest.fixture
def deleted(jobs: list[str], sessions: Sessions, store: ArtifactStore) -> str:
    """A job whose files were deleted by a rule."""
    assert delete_files(sessions, store, [RULE]) == 1
    return jobs[0]


def files_of(client: TestClient, job_id: str) -> dict[str, Any]:
    found = client.get(f"/v1/jobs/{job_id}/artifacts").json()["data"]
    return {one["name"]: one for one in found}


def test_a_dry_run_lists_what_would_be_deleted_and_why(client: TestClient, jobs: list[str]) -> None:
    planned = client.get("/v1/retention").json()
    size = sum(one["size_bytes"] for one in files_of(client, jobs[0]).values())
    size -= KEPT_BYTES
    assert (planned["jobs"], planned["bytes"]) == (1, size)
    (deletion,) = planned["deletions"]
    assert (deletion["job_id"], deletion["rule"], deletion["bytes"]) == (jobs[0], "newest", size)
    assert deletion["reason"] == "the job is not one of the newest 1 jobs"
    client.patch(f"/v1/jobs/{jobs[0]}", json={"pinned": True})
    assert client.get("/v1/retention").json()["deletions"] == []
    assert files_of(client, jobs[0])["model/weights.bin"]["deleted_at"] is None


def test_other_rules_are_tried_without_being_stored_or_audited(
    client: TestClient, jobs: list[str]
) -> None:
    body = {"rules": [{"name": "none", "max_bytes": 0, "labels": {"team": "nlp"}}]}
    tried = client.post("/v1/retention/preview?limit=1", json=body).json()
    assert (tried["jobs"], [one["job_id"] for one in tried["deletions"]]) == (2, jobs[:1])
    assert client.get("/v1/audit").json()["data"] == []
    body["rules"][0]["max_jobs"] = 1
    refused = client.post("/v1/retention/preview", json=body)
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/rules/0")
    assert "rule none has max_jobs and max_bytes: give exactly one of" in refused.text


def test_a_deleted_file_is_gone_with_the_rule_and_the_time(
    client: TestClient, deleted: str
) -> None:
    files = files_of(client, deleted)
    weights = files["model/weights.bin"]
    assert weights["deleted_by"] == "newest"
    for path in (weights["url"], f"/v1/jobs/{deleted}/archive"):
        gone = client.get(path)
        assert (gone.status_code, gone.json()["code"]) == (410, "artifact_deleted")
        moment = weights["deleted_at"][:19].replace("T", " ")
        assert f"by the retention rule newest at {moment} UTC" in gone.json()["detail"]
    link = client.post(f"/v1/artifacts/{weights['id']}/links")
    assert (link.status_code, link.json()["code"]) == (410, "artifact_deleted")


def test_the_job_its_metrics_and_its_report_remain(client: TestClient, deleted: str) -> None:
    report = files_of(client, deleted)["report.json"]
    assert (report["deleted_at"], report["deleted_by"]) == (None, None)
    assert client.get(report["url"]).content == FILES["report.json"]
    assert client.get(f"/v1/jobs/{deleted}/manifest").json() == {"blocks": []}
    assert client.get(f"/v1/jobs/{deleted}/provenance").json() == {"subject": []}
    assert client.get(f"/v1/jobs/{deleted}/metrics").json() == {"sparsity": 0.5}
    assert client.get(f"/v1/jobs/{deleted}/result").status_code == 200


def test_a_job_without_its_files_is_not_reused(
    client: TestClient, jobs: list[str], sessions: Sessions, store: ArtifactStore
) -> None:
    body = {"model": "org/model", "sparsity": 0.5, "dataset": "wikitext2"}
    dry_run = "/v1/jobs?dry_run=true"
    assert client.post(dry_run, json=body).json()["identical_job_id"] == jobs[1]
    delete_files(sessions, store, [RetentionRule(name="none", max_jobs=0)])
    assert client.post(dry_run, json=body).json()["identical_job_id"] is None


def test_every_deletion_is_in_the_audit_with_its_rule_and_bytes(
    client: TestClient, deleted: str
) -> None:
    (entry,) = client.get("/v1/audit").json()["data"]
    assert (entry["who"], entry["action"]) == ("retention rule newest", "delete_files")
    assert entry["target"] == f"/v1/jobs/{deleted}/artifacts"
    assert (entry["data"]["rule"], entry["data"]["files"]) == ("newest", 3)
    assert entry["data"]["bytes"] > len(FILES["model/weights.bin"])


@pytest.mark.parametrize("is_archive", [True, False])
def test_a_downloaded_job_keeps_its_files(
    is_archive: bool, client: TestClient, jobs: list[str]
) -> None:
    path = files_of(client, jobs[0])["report.json"]["url"]
    assert client.get("/v1/retention").json()["jobs"] == 1
    client.get(f"/v1/jobs/{jobs[0]}/archive" if is_archive else path)
    assert client.get("/v1/retention").json()["jobs"] == 0


def test_storage_is_counted_by_model_and_label_without_deleted_files(
    client: TestClient, deleted: str, jobs: list[str]
) -> None:
    client.patch(f"/v1/jobs/{jobs[1]}", json={"pinned": True, "labels": {"run": "7"}})
    stored = client.get("/v1/storage").json()
    sizes = [
        one["size_bytes"]
        for job in jobs
        for one in files_of(client, job).values()
        if one["deleted_at"] is None
    ]
    total, pinned = sum(sizes), sum(sizes) - KEPT_BYTES
    assert (stored["artifacts"], stored["artifact_bytes"]) == (7, total)
    assert stored["models"] == [{"name": "org/model", "jobs": 2, "bytes": total}]
    assert {"name": "run=7", "jobs": 1, "bytes": pinned} in stored["labels"]
    assert stored["pinned_bytes"] == pinned
    assert stored["free_bytes"] > 0


def test_the_metrics_count_stored_free_and_deleted_bytes(client: TestClient, deleted: str) -> None:
    lines = dict(
        line.rsplit(" ", 1)
        for line in client.get("/metrics").text.splitlines()
        if not line.startswith("#")
    )
    assert float(lines["zpruner_artifacts"]) == 7
    assert float(lines["zpruner_artifacts_free_bytes"]) > 0
    (entry,) = client.get("/v1/audit").json()["data"]
    removed = {name: value for name, value in lines.items() if "deleted_bytes" in name}
    assert removed.keys() == {'zpruner_artifacts_deleted_bytes{rule="newest"}'}
    assert float(removed.popitem()[1]) == entry["data"]["bytes"]
