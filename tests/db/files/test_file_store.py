"""The parts of the store on a disk that a bucket does not have."""

import hashlib
import os
from pathlib import Path

import pytest

from db.core.errors import ArtifactNotFoundError
from db.files.file_store import FileStore
from db.files.sealed_folder import KnownDigest
from tests.db.files.stores import JOB, row, staged


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "artifacts")


@pytest.mark.parametrize(("folders", "files"), [(0o755, 0o644), (0o700, 0o600), (0o2770, 0o660)])
def test_published_files_have_the_read_permissions_of_their_folder(
    store: FileStore, folders: int, files: int
) -> None:
    folder = staged(store)
    (folder / "model").chmod(folders)
    (folder / "model" / "model.safetensors").chmod(0o600)
    store.publish(folder, JOB)
    assert store.open(row("model/model.safetensors")).path.stat().st_mode & 0o777 == files


def test_every_file_and_folder_is_flushed_before_the_rename_and_the_parents_after(
    store: FileStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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


def test_no_link_leads_out_of_the_attempt_s_folder(store: FileStore, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    store.publish(staged(store), JOB)
    link = store.open(row("model/config.json")).path.parent / "link.json"
    link.symlink_to(tmp_path / "secret")
    with pytest.raises(ArtifactNotFoundError):
        store.open(row("model/link.json"))


def test_no_job_id_leads_out_of_the_store(store: FileStore, tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "secret").write_text("secret")
    store.publish(staged(store), JOB)
    with pytest.raises(ArtifactNotFoundError):
        store.open(row("secret", job_id=".."))


def test_an_interrupted_publication_leaves_nothing_visible(
    store: FileStore, monkeypatch: pytest.MonkeyPatch
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


def test_a_known_digest_is_used_only_while_the_file_is_unchanged(store: FileStore) -> None:
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
