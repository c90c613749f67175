"""What a retention rule may delete, and how it is recorded, on both databases."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from db.access.audit import AuditRepository
from db.core.clock import now
from db.core.retention_rules import Deletion, RetentionRule, retention_plan
from db.core.session import Sessions
from db.core.states import FINAL, JobState
from db.events.job_events import EventRepository
from db.files.artifact_store import ArtifactStore
from db.files.artifacts import ArtifactRepository
from db.files.downloads import DownloadRepository
from db.files.file_store import FileStore
from db.files.retention import KEPT, FileRetention
from db.jobs.quotas import QuotaRepository
from db.jobs.repository import JobRepository
from db.tables.jobs import Job
from tests.api.work import FILES, finish_job
from tests.factories import make_job

RULE = RetentionRule(name="none", max_jobs=0)


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return FileStore(tmp_path / "artifacts")


def plan(sessions: Sessions) -> list[Deletion]:
    with sessions() as session:
        retention = FileRetention(session)
        return retention_plan(retention.stored_jobs(), [RULE], retention.time())


def record(sessions: Sessions, deletion: Deletion) -> dict[str, Any] | None:
    with sessions.begin() as session:
        return FileRetention(session).record(deletion)


def change(sessions: Sessions, job_id: str, **fields: Any) -> None:
    with sessions.begin() as session:
        job = JobRepository(session).get(job_id)
        for name, value in fields.items():
            setattr(job, name, value)


def test_a_deletion_is_in_the_files_the_events_and_the_audit(
    sessions: Sessions, store: ArtifactStore
) -> None:
    job = finish_job(sessions, store, days_ago=2)
    (deletion,) = plan(sessions)
    assert deletion.job.id == job.id

    data = record(sessions, deletion)

    reason = "the job is not one of the newest 0 jobs"
    size_bytes = deletion.job.size_bytes
    assert data == {"rule": "none", "reason": reason, "files": 3, "bytes": size_bytes}
    with sessions() as session:
        files = {one.name: one for one in ArtifactRepository(session).of_job(job.id)}
        event = EventRepository(session).events(job.id)[-1]
        (entry,) = AuditRepository(session).page()
        assert JobRepository(session).get(job.id).version == job.version + 1
    assert {name: one.deleted_by for name, one in files.items()} == {
        "SHA256SUMS": "none",
        "model/config.json": "none",
        "model/weights.bin": "none",
        "provenance.json": None,
        "report.json": None,
    }
    assert files["SHA256SUMS"].deleted_at is not None
    assert (event.kind, event.data) == ("files_deleted", data)
    assert (entry.who, entry.action, entry.data) == ("retention rule none", "delete_files", data)
    assert entry.target == f"/v1/jobs/{job.id}/artifacts"
    assert plan(sessions) == []
    assert record(sessions, deletion) is None, "another process deleted them first"


def test_deleted_files_count_for_no_quota_and_are_not_checked_again(
    sessions: Sessions, store: ArtifactStore
) -> None:
    job = finish_job(sessions, store, created_by="key_1")
    with sessions() as session:
        files = ArtifactRepository(session).of_job(job.id)
    (weights,) = (one.id for one in files if one.name == "model/weights.bin")
    record(sessions, plan(sessions)[0])
    with sessions.begin() as session:
        artifacts = ArtifactRepository(session)
        kept = sum(len(FILES[name]) for name in KEPT & FILES.keys())
        assert QuotaRepository(session).usage("key_1").artifact_bytes == kept
        for _ in KEPT & FILES.keys():
            file = artifacts.next_unchecked(timedelta(0))
            assert file is not None
            assert file.name in KEPT
            artifacts.record_check(file.id, None, None)
        assert artifacts.next_unchecked(timedelta(minutes=1)) is None
        assert not artifacts.record_check(weights, None, "its file is missing")


def pin(sessions: Sessions, job: Job) -> None:
    change(sessions, job.id, pinned=True)


def download(sessions: Sessions, job: Job) -> None:
    with sessions.begin() as session:
        DownloadRepository(session).record(job.id)


def rerun(sessions: Sessions, job: Job) -> None:
    make_job(sessions, parent_id=job.id, status=JobState.paused)


def continue_sweep(sessions: Sessions, job: Job) -> None:
    change(sessions, job.id, sweep_id="swp_1")
    make_job(sessions, sweep_id="swp_1", status=JobState.queued)


@pytest.mark.parametrize("use", [pin, download, rerun, continue_sweep])
def test_the_files_of_a_pinned_or_used_job_are_neither_planned_nor_deleted(
    use: Callable[[Sessions, Job], None], sessions: Sessions, store: ArtifactStore
) -> None:
    job = finish_job(sessions, store)
    (deletion,) = plan(sessions)
    use(sessions, job)
    assert plan(sessions) == []
    assert record(sessions, deletion) is None
    with sessions() as session:
        assert all(one.deleted_at is None for one in ArtifactRepository(session).of_job(job.id))


def test_a_use_that_has_ended_protects_nothing(sessions: Sessions, store: ArtifactStore) -> None:
    job = finish_job(sessions, store)
    change(sessions, job.id, sweep_id="swp_1")
    for status in FINAL:
        make_job(sessions, parent_id=job.id, sweep_id="swp_1", status=status)
    for ago in (timedelta(minutes=16), -timedelta(days=1)):  # also before the clock was set back
        change(sessions, job.id, downloaded_at=now(-ago))
        assert [one.job.id for one in plan(sessions)] == [job.id]


@pytest.mark.parametrize("status", [one for one in JobState if one is not JobState.succeeded])
def test_only_succeeded_jobs_are_considered(
    status: JobState, sessions: Sessions, store: ArtifactStore
) -> None:
    job = finish_job(sessions, store)
    change(sessions, job.id, status=status)
    assert plan(sessions) == []


def test_a_download_is_recorded_once_a_minute(sessions: Sessions) -> None:
    job_id = make_job(sessions).id
    with sessions.begin() as session:
        downloads = DownloadRepository(session)
        assert not downloads.is_recorded(job_id)
        downloads.record(job_id)
        assert downloads.is_recorded(job_id)
    change(sessions, job_id, downloaded_at=now(-timedelta(minutes=2)))
    with sessions() as session:
        assert not DownloadRepository(session).is_recorded(job_id)
        assert session.scalars(select(Job.version)).one() == 1
