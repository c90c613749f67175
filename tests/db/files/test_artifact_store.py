"""What a store promises, on a disk and in a bucket."""

import hashlib
import subprocess
from pathlib import Path

import pytest

from db.core.errors import ArtifactNotFoundError
from db.files.artifact_store import ArtifactStore
from db.files.sealed_folder import NewArtifact
from db.files.stores import open_store
from db.startup.settings import Settings
from tests.db.files.stores import JOB, row, staged


@pytest.fixture(params=["file", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ArtifactStore:
    url = f"file://{tmp_path}/shared"
    if request.param == "bucket":
        url = request.getfixturevalue("bucket_url")
    fields = {"_env_file": None, "data_dir": tmp_path / "data", "artifact_url": url}
    return open_store(Settings.model_validate(fields))


def text(store: ArtifactStore, name: str, attempt: int = 1) -> str:
    return store.open(row(name, attempt)).content().decode()


def test_a_published_file_is_found_with_its_size_and_checksum(store: ArtifactStore) -> None:
    artifacts = store.publish(staged(store), JOB)
    assert [one.name for one in artifacts] == [
        "model/config.json",
        "model/model.safetensors",
        "SHA256SUMS",
    ]
    for one in artifacts:
        content = store.open(row(one.name)).content()
        assert len(content) == one.size_bytes
        assert hashlib.sha256(content).hexdigest() == one.sha256
    assert artifacts[0] == NewArtifact(
        "model/config.json", 2, hashlib.sha256(b"{}").hexdigest(), "application/json"
    )


def test_a_hidden_folder_is_not_published(store: ArtifactStore) -> None:
    folder = staged(store)
    (folder / ".progress").mkdir()
    (folder / ".progress" / "journal.jsonl").write_text("unfinished")
    artifacts = store.publish(folder, JOB)
    assert len(artifacts) == 3
    with pytest.raises(ArtifactNotFoundError):
        store.open(row(".progress/journal.jsonl"))


def test_sha256sum_accepts_the_checksums(store: ArtifactStore, tmp_path: Path) -> None:
    for one in store.publish(staged(store), JOB):
        copy = tmp_path / "copy" / one.name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(store.open(row(one.name)).content())
    check = ["sha256sum", "--check", "--strict", "SHA256SUMS"]
    subprocess.run(check, cwd=tmp_path / "copy", check=True)


def test_nothing_is_visible_before_it_is_published_and_staging_is_empty_after(
    store: ArtifactStore, tmp_path: Path
) -> None:
    folder = staged(store)
    with pytest.raises(ArtifactNotFoundError):
        store.open(row("model/config.json"))
    store.publish(folder, JOB)
    store.keep_only(JOB, 1)
    assert text(store, "model/config.json") == "{}"
    assert store.staged_jobs() == []
    assert [
        path for path in tmp_path.rglob("*") if "staging" in path.parts and path.is_file()
    ] == []


def test_a_delayed_attempt_cannot_change_another_attempts_files(store: ArtifactStore) -> None:
    late, winner = staged(store, 1, "late"), staged(store, 2, "winner")
    store.publish(winner, JOB)
    store.publish(late, JOB)
    assert text(store, "model/config.json", 2) == "winner"
    store.retract(JOB, 1)
    assert text(store, "model/config.json", 2) == "winner"
    with pytest.raises(ArtifactNotFoundError):
        store.open(row("model/config.json", attempt=1))


def test_files_of_other_attempts_can_be_deleted(store: ArtifactStore, tmp_path: Path) -> None:
    store.publish(staged(store, 1), JOB)
    staged(store, 2)
    store.publish(staged(store, 3), JOB)
    store.keep_only(JOB, 3)
    assert text(store, "model/config.json", 3) == "{}"
    with pytest.raises(ArtifactNotFoundError):
        store.open(row("model/config.json", attempt=1))
    assert store.staged_jobs() == []
    assert not list(tmp_path.rglob("staging/*"))


def test_staging_again_starts_empty_and_discarding_leaves_nothing(
    store: ArtifactStore, tmp_path: Path
) -> None:
    staged(store)
    assert list(store.stage(JOB, 1).iterdir()) == []
    store.discard(JOB, 1)
    store.discard(JOB, 1)
    assert not list(tmp_path.rglob("staging/*"))


def test_an_attempt_takes_over_the_resumable_files_of_the_last_one(
    store: ArtifactStore,
) -> None:
    for attempt in (1, 2, 10):
        (store.stage(JOB, attempt) / f"{attempt}.json").write_text("{}")
    late = store.stage(JOB, 9)
    for folder in (late, late.with_name("2")):
        (folder / ".progress").mkdir()
    (late / "9.json").write_text("{}")

    taken = store.stage(JOB, 10)

    assert {path.name for path in taken.iterdir()} == {".progress", "9.json"}
    with pytest.raises(FileNotFoundError):
        (late / "9.json").write_text("too late")


@pytest.mark.parametrize(
    "name",
    [
        "../2/model/config.json",
        "../../../secret",
        "/etc/passwd",
        "model/../../../../secret",
        "model",
        "",
        ".",
        "nothing.json",
    ],
)
def test_no_name_leads_out_of_the_attempt_s_folder(
    name: str, store: ArtifactStore, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("secret")
    store.publish(staged(store, 1), JOB)
    store.publish(staged(store, 2), JOB)
    with pytest.raises(ArtifactNotFoundError):
        store.open(row(name))


def test_a_link_is_never_published(store: ArtifactStore) -> None:
    folder = staged(store)
    (folder / "passwd").symlink_to("/etc/passwd")
    with pytest.raises(ValueError, match="not a regular file"):
        store.publish(folder, JOB)


def test_an_empty_folder_and_a_foreign_one_are_not_published(
    store: ArtifactStore, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="no file was staged"):
        store.publish(store.stage(JOB, 1), JOB)
    with pytest.raises(ValueError, match="was not staged"):
        store.publish(tmp_path, JOB)
    with pytest.raises(ValueError, match="was not staged"):
        store.publish(staged(store), "job_other")


def test_all_but_some_files_can_be_removed(store: ArtifactStore) -> None:
    folder = staged(store)
    (folder / "report.json").write_text("kept")
    store.publish(folder, JOB)
    store.remove_all_but({"report.json"}, JOB, 1)
    store.remove_all_but({"report.json"}, JOB, 1)
    store.remove_all_but({"report.json"}, "job_other", 1)
    assert text(store, "report.json") == "kept"
    for name in ("model/config.json", "model/model.safetensors", "SHA256SUMS"):
        with pytest.raises(ArtifactNotFoundError):
            store.open(row(name))


def test_jobs_are_listed_until_their_files_are_deleted(store: ArtifactStore) -> None:
    store.publish(staged(store), JOB)
    store.keep_only(JOB, 1)
    folder = store.stage("job_other", 1)
    (folder / ".progress").mkdir()
    (folder / ".progress" / "journal.jsonl").write_text("{}")
    store.save(folder, "job_other")
    assert (store.published_jobs(), store.staged_jobs()) == ([JOB], ["job_other"])
    store.discard_unusable("job_other", 1)
    assert store.staged_jobs() == ["job_other"]
    store.discard_job("job_other")
    store.delete_job(JOB)
    assert (store.published_jobs(), store.staged_jobs()) == ([], [])


def test_a_file_is_read_by_ranges_and_its_identity_changes_with_its_content(
    store: ArtifactStore,
) -> None:
    (published, *_) = store.publish(staged(store, text="0123456789"), JOB)
    file = store.open(row("model/config.json"))
    assert (file.size_bytes, file.identity) == (10, published.identity)
    assert b"".join(file.chunks(range(3, 7))) == b"3456"
    assert list(file.chunks(range(3, 3))) == []
    store.publish(staged(store, 2, "9876543210"), JOB)
    assert store.open(row("model/config.json", 2)).identity != file.identity
    with pytest.raises(EOFError):
        list(file.chunks(range(5, 11)))


def test_a_store_that_can_be_written_to_passes_its_check(store: ArtifactStore) -> None:
    store.check()
    assert store.published_jobs() == []
