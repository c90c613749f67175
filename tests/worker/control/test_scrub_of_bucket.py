"""The scrub finds damaged objects in a bucket, and an unreachable bucket damages nothing."""

import pytest
from sqlalchemy import select

from db.buckets.bucket import Bucket
from db.buckets.errors import BucketError
from db.core.session import Sessions
from db.files.bucket_store import BucketStore
from db.files.staging import Staging
from db.tables.artifacts import Artifact
from tests.api.work import finish_job
from tests.bucket_server import RETRY_FOR
from tests.worker.control.scrubbing import MIB, Clock, age, scrubbing

FILES = {name: name.encode() * MIB for name in ("changed", "intact", "missing", "truncated")}


@pytest.fixture
def store(bucket: Bucket, tmp_path_factory: pytest.TempPathFactory) -> BucketStore:
    return BucketStore(bucket, Staging(tmp_path_factory.mktemp("staging")))


def damages(sessions: Sessions) -> dict[str, str | None]:
    with sessions() as session:
        return {one.name: one.damage for one in session.scalars(select(Artifact))}


def test_truncated_changed_and_missing_objects_are_found(
    sessions: Sessions, store: BucketStore, bucket: Bucket
) -> None:
    folder, clock = f"artifacts/{finish_job(sessions, store, FILES).id}/1", Clock()
    bucket.write(f"{folder}/changed", FILES["changed"][:-1] + b"!")
    bucket.write(f"{folder}/truncated", FILES["truncated"][:-1])
    bucket.delete([f"{folder}/missing"])
    age(sessions, 8)
    with scrubbing(sessions, store, clock, rate=32 * MIB) as scrub:
        assert sum(clock.after(2, scrub.step) for _ in range(3)) == 5

    found = damages(sessions)
    assert (found["intact"], found["SHA256SUMS"]) == (None, None)
    assert found["missing"] == "its file is missing"
    assert "sha256 is" in (found["changed"] or "")
    assert "bytes now" in (found["truncated"] or "")


def test_a_bucket_that_does_not_respond_is_no_damage(
    sessions: Sessions, store: BucketStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish_job(sessions, store, {"a": b"1"})
    age(sessions, 8)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    unreachable = BucketStore(Bucket(store._bucket.location, RETRY_FOR), store._staging)
    clock = Clock()
    with scrubbing(sessions, unreachable, clock) as scrub, pytest.raises(BucketError):
        clock.after(61, scrub.step)
    assert set(damages(sessions).values()) == {None}
