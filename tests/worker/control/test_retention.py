from pathlib import Path

import pytest

from db.core.retention_rules import RetentionRule
from db.core.session import Sessions
from db.files.artifact_store import ArtifactStore
from db.files.artifacts import ArtifactRepository
from db.files.retention import KEPT, FileRetention
from tests.api.work import FILES, finish_job
from worker.control.retention import delete_files

RULES = (RetentionRule(name="old", max_age_days=30),)


def stored_names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_the_files_of_old_jobs_are_removed_except_their_reports(
    sessions: Sessions, store: ArtifactStore, tmp_path: Path
) -> None:
    old = finish_job(sessions, store, days_ago=31).id
    new = finish_job(sessions, store, days_ago=29).id
    assert delete_files(sessions, store, RULES) == 1
    assert delete_files(sessions, store, RULES) == 0
    assert stored_names(tmp_path / "artifacts") == {
        *(f"{old}/1/{name}" for name in KEPT & FILES.keys()),
        *(f"{new}/1/{name}" for name in (*FILES, "SHA256SUMS")),
    }


def test_without_a_rule_nothing_is_deleted(sessions: Sessions, store: ArtifactStore) -> None:
    finish_job(sessions, store, days_ago=4000)
    assert delete_files(sessions, store, ()) == 0


def test_one_call_deletes_the_oldest_jobs_and_the_next_one_continues(
    sessions: Sessions, store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.control.retention.MAX_JOBS", 2)
    jobs = [finish_job(sessions, store, days_ago=days).id for days in (40, 50, 60)]
    assert [delete_files(sessions, store, RULES) for _ in range(2)] == [2, 1]
    with sessions() as session:
        times = [ArtifactRepository(session).of_job(one)[0].deleted_at for one in jobs]
    assert times[0] == max(filter(None, times))


def test_files_that_cannot_be_removed_are_removed_later_and_others_now(
    sessions: Sessions, store: ArtifactStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stuck, other = (finish_job(sessions, store, days_ago=31).id for _ in range(2))
    folder = tmp_path / "artifacts" / stuck / "1"
    moved = folder.rename(tmp_path / "moved")
    folder.write_text("no folder, so it cannot be listed")
    assert delete_files(sessions, store, RULES) == 2
    folder.unlink()
    moved.rename(folder)
    assert f"the files of job {stuck} could not be removed" in caplog.text
    with sessions() as session:
        assert FileRetention(session).unremoved() == [(stuck, 1)]
    assert stored_names(tmp_path / "artifacts" / other) == {
        f"1/{name}" for name in KEPT & FILES.keys()
    }

    delete_files(sessions, store, ())

    assert stored_names(tmp_path / "artifacts" / stuck) == {
        f"1/{name}" for name in KEPT & FILES.keys()
    }
    with sessions() as session:
        assert FileRetention(session).unremoved() == []
