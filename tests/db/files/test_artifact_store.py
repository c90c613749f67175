import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from db.core.errors import ArtifactNotFoundError
from db.files.artifact_store import ArtifactStore, KnownDigest, NewArtifact
from db.tables.artifacts import Artifact

JOB = "job_0192"


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "artifacts")


def staged(store: ArtifactStore, attempt: int = 1, text: str = "{}") -> Path:
    folder = store.stage(JOB, attempt)
    (folder / "model").mkdir()
    (folder / "model" / "config.json").write_text(text)
    (folder / "model" / "model.safetensors").write_bytes(b"\0" * 1000)
    return folder


def row(name: str, attempt: int = 1, job_id: str = JOB) -> Artifact:
    return Artifact(id="art_0", job_id=job_id, attempt=attempt, name=name)


def test_a_published_file_is_found_with_its_size_and_checksum(store: ArtifactStore) -> None:
    artifacts = store.publish(staged(store), JOB)
    assert [one.name for one in artifacts] == [
        "model/config.json",
        "model/model.safetensors",
        "SHA256SUMS",
    ]
    for one in artifacts:
        content = store.open(row(one.name)).read_bytes()
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
    published = store.open(row("SHA256SUMS")).parent
    assert {path.name for path in published.iterdir()} == {"model", "SHA256SUMS"}


def test_sha256sum_accepts_the_checksums(store: ArtifactStore) -> None:
    store.publish(staged(store), JOB)
    folder = store.open(row("SHA256SUMS")).parent
    subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=folder, check=True)


@pytest.mark.parametrize(("folders", "files"), [(0o755, 0o644), (0o700, 0o600), (0o2770, 0o660)])
def test_published_files_have_the_read_permissions_of_their_folder(
    store: ArtifactStore, folders: int, files: int
) -> None:
    folder = staged(store)
    (folder / "model").chmod(folders)
    (folder / "model" / "model.safetensors").chmod(0o600)
    store.publish(folder, JOB)
    assert store.open(row("model/model.safetensors")).stat().st_mode & 0o777 == files


def test_nothing_is_visible_before_it_is_published_and_staging_is_empty_after(
    store: ArtifactStore, tmp_path: Path
) -> None:
    folder = staged(store)
    with pytest.raises(ArtifactNotFoundError):
        store.open(row("model/config.json"))
    store.publish(folder, JOB)
    assert [
        path for path in tmp_path.rglob("*") if "staging" in path.parts and path.is_file()
    ] == []


def test_every_file_and_folder_is_flushed_before_the_rename_and_the_parents_after(
    store: ArtifactStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = staged(store)
    steps: list[str] = []
    fsync, rename = os.fsync, Path.rename

    def noted_fsync(descriptor: int) -> None:
        steps.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        fsync(descriptor)

    def noted_rename(self: Path, target: Path) -> Path:
        steps.append("rename")
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(Path, "rename", noted_rename)
    everything = {str(path) for path in (folder, *folder.rglob("*"), folder / "SHA256SUMS")}
    store.publish(folder, JOB)
    before, after = steps[: steps.index("rename")], steps[steps.index("rename") + 1 :]
    assert set(before) == everything
    assert set(after) == {str(tmp_path / "artifacts" / JOB), str(tmp_path / "artifacts")}


def test_a_delayed_attempt_cannot_change_another_attempts_files(store: ArtifactStore) -> None:
    late, winner = staged(store, 1, "late"), staged(store, 2, "winner")
    store.publish(winner, JOB)
    store.publish(late, JOB)
    assert store.open(row("model/config.json", attempt=2)).read_text() == "winner"
    store.retract(JOB, 1)
    assert store.open(row("model/config.json", attempt=2)).read_text() == "winner"
    with pytest.raises(ArtifactNotFoundError):
        store.open(row("model/config.json", attempt=1))


def test_files_of_other_attempts_can_be_deleted(store: ArtifactStore, tmp_path: Path) -> None:
    store.publish(staged(store, 1), JOB)
    staged(store, 2)
    store.publish(staged(store, 3), JOB)
    store.keep_only(JOB, 3)
    assert store.open(row("model/config.json", attempt=3)).read_text() == "{}"
    assert [path.name for path in (tmp_path / "artifacts" / JOB).iterdir()] == ["3"]
    assert not (tmp_path / "artifacts" / "staging" / JOB).exists()


def test_staging_again_starts_empty_and_discarding_leaves_nothing(
    store: ArtifactStore, tmp_path: Path
) -> None:
    staged(store)
    assert list(store.stage(JOB, 1).iterdir()) == []
    store.discard(JOB, 1)
    store.discard(JOB, 1)
    assert not (tmp_path / "artifacts" / "staging" / JOB).exists()


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


def test_no_link_leads_out_of_the_attempt_s_folder(store: ArtifactStore, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    store.publish(staged(store), JOB)
    link = store.open(row("model/config.json")).parent / "link.json"
    link.symlink_to(tmp_path / "secret")
    with pytest.raises(ArtifactNotFoundError):
        store.open(row("model/link.json"))


def test_no_job_id_leads_out_of_the_store(store: ArtifactStore, tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "secret").write_text("secret")
    store.publish(staged(store), JOB)
    with pytest.raises(ArtifactNotFoundError):
        store.open(row("secret", job_id=".."))


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


def test_an_interrupted_publication_leaves_nothing_visible(
    store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = staged(store)

    def full(_path: Path, _target: Path) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", full)
        with pytest.raises(OSError, match="No space"):
            store.publish(folder, JOB)
    with pytest.raises(ArtifactNotFoundError):
        store.open(row("model/config.json"))
    names = [one.name for one in store.publish(folder, JOB)]
    assert names == ["model/config.json", "model/model.safetensors", "SHA256SUMS"]


def test_a_known_digest_is_used_only_while_the_file_is_unchanged(store: ArtifactStore) -> None:
    folder = staged(store)
    known = {}
    for name in ("model/config.json", "model/model.safetensors"):
        status = (folder / name).stat()
        known[name] = KnownDigest("known", status.st_size, status.st_mtime_ns)
    (folder / "model" / "config.json").write_text("[]")  # as large as before
    os.utime(folder / "model" / "config.json", ns=(1, 1))

    digests = {one.name: one.sha256 for one in store.publish(folder, JOB, known)}

    assert digests["model/model.safetensors"] == "known"
    assert digests["model/config.json"] == hashlib.sha256(b"[]").hexdigest()
