"""A compressed archive takes little memory, and is the same from a folder as from a bucket."""

import hashlib
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path

from api.web.archive import Archive
from db.buckets.bucket import Bucket
from db.files.stored_file import BucketFile, LocalFile
from db.tables.artifacts import Artifact
from tests.zpruner.files.safetensors_files import random_content
from zpruner.files.zstd import compressed

SIZE = 64 << 20
PEAK_BYTES = 6 << 20


def artifact(path: Path, sha256: str = "0" * 64) -> Artifact:
    return Artifact(
        job_id="job_1",
        name=path.name,
        size_bytes=path.stat().st_size,
        sha256=sha256,
        created_at=datetime.now(UTC),
    )


def write_large(path: Path) -> None:
    """Write a file of 64 MB, most of it zeros without blocks on the disk."""
    with path.open("wb") as file:
        file.truncate(SIZE)
        file.seek(SIZE // 2)
        file.write(b"x" * (4 << 20))


def test_a_compressed_archive_of_large_files_takes_little_memory(tmp_path: Path) -> None:
    paths = [tmp_path / f"{name}.safetensors" for name in "ab"]
    for path in paths:
        write_large(path)
    archive = Archive({artifact(path): LocalFile.find(path) for path in paths})
    tracemalloc.start()
    try:
        sent = sum(map(len, compressed(archive)))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert 0 < sent < SIZE // 100
    assert peak < PEAK_BYTES


def test_a_bucket_gives_the_same_archive_as_a_folder(bucket: Bucket, tmp_path: Path) -> None:
    weights, config = tmp_path / "model.safetensors", tmp_path / "config.json"
    weights.write_bytes(random_content("BF16", (64, 64), 0.7).data)
    config.write_text("{}")
    rows, objects = [], []
    for path in (config, weights):
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        bucket.upload(path, f"artifacts/job_1/1/{path.name}", sha256)
        objects.append(BucketFile(bucket, bucket.find(f"artifacts/job_1/1/{path.name}")))
        rows.append(artifact(path, sha256))
    local = [LocalFile.find(path) for path in (config, weights)]
    archive = Archive(dict(zip(rows, objects, strict=True)))
    expected = Archive(dict(zip(rows, local, strict=True)))
    assert archive.etag == expected.etag
    assert b"".join(compressed(archive)) == b"".join(compressed(expected))
