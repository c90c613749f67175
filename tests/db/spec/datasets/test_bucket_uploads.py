import hashlib
import os
import time
from datetime import timedelta
from pathlib import Path

import pytest

from db.buckets.bucket import Bucket
from db.spec.datasets.bucket_uploads import KEPT_FOR, BucketUploads

TEXT = b"one line\n"
DIGEST = hashlib.sha256(TEXT).hexdigest()
DATASET = "dat_" + "0" * 32


@pytest.fixture
def uploads(bucket: Bucket, tmp_path: Path) -> BucketUploads:
    uploads = BucketUploads(bucket, tmp_path / "api")
    path = uploads.stage("text/plain")
    path.write_bytes(TEXT)
    uploads.place(path, DATASET, DIGEST)
    return uploads


@pytest.fixture
def elsewhere(bucket: Bucket, tmp_path: Path) -> BucketUploads:
    return BucketUploads(bucket, tmp_path / "worker")


def fetched(uploads: BucketUploads) -> bytes | None:
    uploads.fetch(DATASET, "text/plain", DIGEST)
    path = uploads.path(DATASET, "text/plain")
    return path.read_bytes() if path.is_file() else None


def test_a_dataset_is_available_on_every_machine(
    uploads: BucketUploads, elsewhere: BucketUploads
) -> None:
    assert fetched(uploads) == fetched(elsewhere) == TEXT


def test_a_damaged_copy_on_a_machine_is_replaced(
    uploads: BucketUploads, elsewhere: BucketUploads
) -> None:
    assert fetched(elsewhere) == TEXT
    elsewhere.path(DATASET, "text/plain").write_bytes(b"One line\n")
    assert fetched(elsewhere) == TEXT


def test_a_damaged_object_reaches_its_reader_who_compares_the_digest(
    uploads: BucketUploads, elsewhere: BucketUploads, bucket: Bucket
) -> None:
    bucket.write(f"uploads/{DATASET}.txt", b"other")
    assert fetched(elsewhere) == b"other"


def test_a_deleted_dataset_is_available_nowhere(
    uploads: BucketUploads, elsewhere: BucketUploads
) -> None:
    assert fetched(elsewhere) == TEXT
    uploads.delete(DATASET)
    elsewhere.path(DATASET, "text/plain").write_bytes(b"stale")
    assert fetched(uploads) is fetched(elsewhere) is None


def test_files_in_the_bucket_are_listed_by_age(uploads: BucketUploads) -> None:
    assert uploads.unmodified_for(timedelta(hours=1)) == []
    assert uploads.unmodified_for(timedelta(hours=-1)) == [DATASET]


def test_copies_that_were_not_used_for_long_are_deleted(
    uploads: BucketUploads, elsewhere: BucketUploads
) -> None:
    old = elsewhere.stage("text/plain")
    old.write_bytes(b"half")
    past = time.time() - KEPT_FOR.total_seconds() - 60
    os.utime(old, (past, past))
    assert fetched(elsewhere) == TEXT
    assert not old.exists()
