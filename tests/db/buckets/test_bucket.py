import hashlib
import random
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from db.buckets import bucket as module
from db.buckets.bucket import Bucket
from db.buckets.errors import BucketError, ObjectChangedError, WrongDigestError
from tests.bucket_server import (
    RETRY_FOR,
    SECRET,
    credentials,
    location_of,
    serving,
)
from tests.waiting import DEADLINE_S

CONTENT = random.Random(1).randbytes(300_000)
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Upload and read in many requests; S3 itself requires parts of 5 MiB, this server does not."""
    monkeypatch.setattr(module, "PART_BYTES", 100_000)
    monkeypatch.setattr(module, "READ_BYTES", 70_000)
    monkeypatch.setattr(module, "CHUNK_BYTES", 30_000)


@pytest.mark.parametrize("name", ["a", "a/b c.json", "größe 模型/ü%20.txt", "a/#?&+.bin"])
def test_an_object_has_the_bytes_of_the_file(
    bucket: Bucket, file: Path, tmp_path: Path, name: str
) -> None:
    identity = bucket.upload(file, name, DIGEST)

    found = bucket.find(name)
    assert (found.size_bytes, found.identity) == (len(CONTENT), identity)
    assert b"".join(bucket.read(found, range(5, 100_000))) == CONTENT[5:100_000]
    bucket.download(name, tmp_path / "copy", DIGEST)
    assert (tmp_path / "copy").read_bytes() == CONTENT
    assert [one.name for one in bucket.objects("")] == [name]


def test_a_file_in_parts_is_one_object(
    bucket: Bucket, file: Path, tmp_path: Path, small_parts: None
) -> None:
    identity = bucket.upload(file, "parts", DIGEST)

    assert bucket.find("parts").identity == identity
    bucket.download("parts", tmp_path / "copy", DIGEST)
    assert (tmp_path / "copy").read_bytes() == CONTENT


@pytest.mark.usefixtures("small_parts")
def test_a_file_with_another_digest_makes_no_object(bucket: Bucket, file: Path) -> None:
    for content in (CONTENT, b"small"):
        file.write_bytes(content)
        with pytest.raises(WrongDigestError):
            bucket.upload(file, "wrong", "0" * 64)
    with pytest.raises(FileNotFoundError):
        bucket.find("wrong")


@pytest.mark.usefixtures("small_parts")
def test_an_upload_and_a_download_stop_when_they_are_told_to(
    bucket: Bucket, file: Path, tmp_path: Path
) -> None:
    def stop_after(count: int) -> Callable[[], None]:
        left = iter(range(count))

        def check() -> None:
            if next(left, None) is None:
                raise InterruptedError("cancelled")

        return check

    with pytest.raises(InterruptedError, match="cancelled"):
        bucket.upload(file, "stopped", DIGEST, check=stop_after(2))
    assert list(bucket.objects("")) == []
    bucket.upload(file, "whole", DIGEST)
    with pytest.raises(InterruptedError, match="cancelled"):
        bucket.download("whole", tmp_path / "copy", DIGEST, stop_after(2))


def test_a_damaged_object_is_found_when_it_is_downloaded(
    bucket: Bucket, file: Path, tmp_path: Path
) -> None:
    bucket.upload(file, "damaged", DIGEST)
    bucket.write("damaged", CONTENT[:-1])
    with pytest.raises(WrongDigestError):
        bucket.download("damaged", tmp_path / "copy", DIGEST)


def test_an_object_that_is_replaced_while_it_is_read_is_an_error(
    bucket: Bucket, file: Path, small_parts: None
) -> None:
    bucket.upload(file, "changing", DIGEST)
    found = bucket.find("changing")
    chunks = bucket.read(found, range(found.size_bytes))
    next(chunks)
    bucket.write("changing", CONTENT[::-1])
    with pytest.raises(ObjectChangedError):
        list(chunks)


def test_folders_are_listed_and_deleted(bucket: Bucket) -> None:
    for name in ("a/1/x", "a/1/y/z", "a/10/x", "b/1/x"):
        bucket.write(name, b"1")
    assert sorted(bucket.folders("a")) == ["1", "10"]
    assert sorted(bucket.folders("")) == ["a", "b"]
    bucket.delete_folder("a/1")
    assert sorted(one.name for one in bucket.objects("")) == ["a/10/x", "b/1/x"]
    bucket.delete_folder("a/1")


def test_anyone_can_read_a_signed_url_with_ranges_and_the_headers_of_the_object(
    bucket: Bucket, file: Path
) -> None:
    bucket.upload(file, "a b", DIGEST, {"Content-Type": "text/plain", "Content-Disposition": "x"})
    url = bucket.url("a b", timedelta(minutes=1))
    whole = httpx.get(url, timeout=DEADLINE_S)
    assert whole.content == CONTENT
    assert whole.headers["content-type"] == "text/plain"
    assert whole.headers["content-disposition"] == "x"
    assert whole.headers["x-amz-meta-sha256"] == DIGEST
    part = httpx.get(url, headers={"range": "bytes=10-19"}, timeout=DEADLINE_S)
    assert (part.status_code, part.content) == (206, CONTENT[10:20])
    assert "X-Amz-Expires=60" in url
    assert SECRET not in url


def test_a_bucket_that_can_be_written_to_passes_the_check_and_nothing_is_left(
    bucket: Bucket,
) -> None:
    bucket.check()
    assert list(bucket.objects("")) == []


def test_a_missing_bucket_is_named_with_the_remedy(bucket: Bucket) -> None:
    missing = Bucket(location_of("s3://zpruner-missing/a"), RETRY_FOR)
    for action in (missing.check, lambda: missing.write("a", b"1")):
        with pytest.raises(BucketError, match=r"s3://zpruner-missing/a: .*no such bucket. Create"):
            action()


def test_refused_credentials_are_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(INITIAL_NO_AUTH_ACTION_COUNT="1") as url:
        for name, value in credentials(url).items():
            monkeypatch.setenv(name, value)
        httpx.put(f"{url}/zpruner-guarded", timeout=DEADLINE_S)
        with pytest.raises(BucketError, match=r"refused the credentials.*AWS_ACCESS_KEY_ID"):
            Bucket(location_of("s3://zpruner-guarded"), RETRY_FOR).check()


def test_an_unreachable_endpoint_is_named(bucket_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(BucketError, match=r"AWS_ENDPOINT_URL.*127.0.0.1:9"):
        Bucket(location_of(bucket_url), RETRY_FOR).check()


def test_plain_http_needs_the_permission_of_the_operator(
    bucket_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ALLOW_HTTP")
    with pytest.raises(BucketError, match=r"not encrypted.*AWS_ALLOW_HTTP=true"):
        Bucket(location_of(bucket_url), RETRY_FOR).check()
