"""The store in a bucket: what only transfers can do wrong, and resuming on another machine."""

import json
from pathlib import Path

import pytest

from db.buckets.bucket import Bucket
from db.buckets.errors import BucketError, WrongDigestError
from db.core.errors import ArtifactNotFoundError
from db.files.bucket_store import BucketStore
from db.files.sealed_folder import KnownDigest
from db.files.staging import Staging
from db.files.staging_copies import RESULT_FOLDER
from tests.bucket_server import RETRY_FOR
from tests.db.files.stores import JOB, row, staged

MANIFEST = f"staging/{JOB}/1/manifest.json"


class Machine:
    """A machine with a staging folder of its own."""

    def __init__(self, bucket: Bucket, folder: Path) -> None:
        self.store = BucketStore(Bucket(bucket.location, RETRY_FOR), Staging(folder))

    def work(self, attempt: int, blocks: int = 1) -> Path:
        """Stage an attempt, and save it after each block."""
        folder = self.store.stage(JOB, attempt)
        (folder / ".progress").mkdir(exist_ok=True)
        for block in range(blocks):
            (folder / f"shard-{block}").write_bytes(bytes([attempt, block]))
            with (folder / ".progress" / "journal.jsonl").open("a") as journal:
                journal.write(f"{attempt}:{block}\n")
            self.store.save(folder, JOB)
        return folder


@pytest.fixture
def here(bucket: Bucket, tmp_path: Path) -> Machine:
    return Machine(bucket, tmp_path / "here")


@pytest.fixture
def there(bucket: Bucket, tmp_path: Path) -> Machine:
    return Machine(bucket, tmp_path / "there")


def content(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def names(bucket: Bucket) -> set[str]:
    return {one.name for one in bucket.objects("")}


def test_an_attempt_elsewhere_continues_from_the_saved_files(here: Machine, there: Machine) -> None:
    folder = here.work(1, blocks=3)
    saved = content(folder)
    (folder / "shard-3").write_text("not saved")

    assert content(there.store.stage(JOB, 2)) == saved
    assert set(saved) == {"shard-0", "shard-1", "shard-2", ".progress/journal.jsonl"}


def test_the_newer_of_the_files_here_and_in_the_bucket_are_used(
    here: Machine, there: Machine
) -> None:
    here.work(1, blocks=3)
    there.work(2)
    assert "shard-2" in content(there.store.stage(JOB, 3))

    newer = content(here.work(4))
    assert content(there.store.stage(JOB, 5)) == newer
    unsaved = here.store.stage(JOB, 6)
    (unsaved / "only-here").write_text("1")
    assert "only-here" in content(here.store.stage(JOB, 7))


def test_only_what_changed_is_uploaded_and_what_is_not_needed_is_deleted(
    here: Machine, bucket: Bucket
) -> None:
    folder = here.work(1)
    before = {one.name: one.modified for one in bucket.objects("staging")}
    assert len(before) == 3
    here.store.save(folder, JOB)
    assert {one.name: one.modified for one in bucket.objects("staging")} == before

    (folder / ".progress" / "journal.jsonl").write_text("another")
    (folder / "again").write_bytes((folder / "shard-0").read_bytes())
    here.store.save(folder, JOB)

    after = names(bucket)
    assert (len(after), len(after & set(before))) == (3, 2)
    listed = json.loads(bucket.content(MANIFEST))["files"]
    assert sorted(one["name"] for one in listed) == [".progress/journal.jsonl", "again", "shard-0"]


def test_hidden_states_and_the_model_are_not_uploaded(here: Machine, bucket: Bucket) -> None:
    folder = here.store.stage(JOB, 1)
    (folder / RESULT_FOLDER).mkdir()
    (folder / RESULT_FOLDER / "model.safetensors").write_bytes(bytes(10))
    for name in ("activations-1", "snapshot-1/dense", "inputs-x"):
        (folder / ".progress" / name).mkdir(parents=True)
        (folder / ".progress" / name / "0.bin").write_bytes(bytes(10))
    (folder / ".progress" / "journal.jsonl").write_text("{}")
    here.store.save(folder, JOB)
    [entry] = json.loads(bucket.content(MANIFEST))["files"]
    assert entry["name"] == ".progress/journal.jsonl"


def test_a_manifest_always_describes_complete_files(
    here: Machine, there: Machine, bucket: Bucket
) -> None:
    folder = here.work(1)
    first = content(folder)
    (folder / "shard-1").write_bytes(b"second")
    (folder / ".progress" / "journal.jsonl").write_text("second")

    def stop() -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        here.store.save(folder, JOB, stop)
    assert content(there.store.stage(JOB, 2)) == first


@pytest.mark.parametrize("damage", ["changed", "missing", "manifest", "outside"])
def test_a_damaged_copy_is_not_used(
    here: Machine, there: Machine, bucket: Bucket, damage: str, tmp_path: Path
) -> None:
    here.work(1)
    name = next(one for one in sorted(names(bucket)) if one != MANIFEST)
    if damage == "changed":
        bucket.write(name, b"other")
    elif damage == "missing":
        bucket.delete([name])
    elif damage == "manifest":
        bucket.write(MANIFEST, b"{")
    else:
        manifest = json.loads(bucket.content(MANIFEST))
        manifest["files"][0]["name"] = "../../../outside"
        bucket.write(MANIFEST, json.dumps(manifest).encode())
    assert content(there.store.stage(JOB, 2)) == {}
    assert not list(tmp_path.rglob("outside"))


def test_copies_of_earlier_attempts_are_deleted_once_the_next_one_is_saved(
    here: Machine, there: Machine, bucket: Bucket
) -> None:
    here.work(1)
    there.work(2)
    assert {name.split("/")[2] for name in names(bucket)} == {"2"}
    there.store.discard_job(JOB)
    assert names(bucket) == set()


def test_staged_files_here_of_a_job_that_ended_elsewhere_are_known(
    here: Machine, there: Machine
) -> None:
    here.work(1)
    there.store.publish(there.work(2), JOB)
    there.store.keep_only(JOB, 2)
    assert (here.store.staged_here(), there.store.staged_here()) == ([JOB], [])
    here.store.discard_here(JOB)
    assert here.store.staged_jobs() == []


def test_an_interrupted_publication_can_be_repeated_and_its_objects_retracted(
    here: Machine, bucket: Bucket
) -> None:
    folder = here.work(1)
    staged_names = names(bucket)
    left = iter(range(1))

    def stop() -> None:
        if next(left, None) is None:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        here.store.publish(folder, JOB, check=stop)
    here.store.retract(JOB, 1)
    assert names(bucket) == staged_names
    assert here.store.is_resumable(JOB, 1)
    assert [one.name for one in here.store.publish(folder, JOB)] == ["shard-0", "SHA256SUMS"]


def test_a_file_that_is_not_what_was_written_is_not_published(here: Machine) -> None:
    folder = staged(here.store)
    status = (folder / "model" / "config.json").stat()
    known = {"model/config.json": KnownDigest("0" * 64, status.st_size, status.st_mtime_ns)}
    with pytest.raises(WrongDigestError):
        here.store.publish(folder, JOB, known)


def test_a_bucket_has_no_limit(here: Machine) -> None:
    assert here.store.free_bytes() is None


def test_a_missing_bucket_is_an_error_and_not_a_missing_file(
    here: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.store.publish(staged(here.store), JOB)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    unreachable = BucketStore(Bucket(here.store._bucket.location, RETRY_FOR), here.store._staging)
    with pytest.raises(BucketError):
        unreachable.open(row("model/config.json"))
    monkeypatch.undo()
    with pytest.raises(ArtifactNotFoundError):
        here.store.open(row("model/config.json", attempt=2))
