"""Sending to a bucket: whole objects with the right bytes, and the checksums last."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from db.tables.jobs import Job
from db.tables.outputs import OutputState
from tests.proxy import Proxy, proxying
from tests.waiting import DEADLINE_S
from tests.worker.outputs.s3_server import Bucket, serving_bucket
from tests.worker.outputs.sending import FILES, SECRET, WEIGHTS, Sending, checksums
from worker.outputs import s3

KEY_ID, HIDDEN = "AKIAEXAMPLE", f"{SECRET}/key"
SENT = FILES | {"SHA256SUMS": checksums(FILES)}


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    with serving_bucket() as bucket:
        yield bucket


@pytest.fixture
def proxy(bucket: Bucket, sending: Sending, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """The way of the client to the bucket; the client repeats no request itself."""
    monkeypatch.setattr(s3, "RETRIES", {**s3.RETRIES, "max_retries": 0})
    monkeypatch.setattr(s3, "PART_BYTES", 1 << 16)
    sending.set_secret("key", f"{KEY_ID}:{HIDDEN}")
    with proxying(bucket.endpoint) as proxy:
        sending.allow(f"{proxy.url}/bucket/models")
        yield proxy


def target(proxy: Proxy, **options: Any) -> dict[str, Any]:
    fields = {"s3": "s3://bucket/models", "endpoint": proxy.url, "secret": "key"}
    return fields | options


def sent(job: Job, files: dict[str, bytes] = SENT) -> dict[str, bytes]:
    return {f"models/{job.id}/{name}": data for name, data in files.items()}


def test_all_files_are_stored_with_their_digests_and_the_checksums_last(
    bucket: Bucket, proxy: Proxy, sending: Sending
) -> None:
    job = sending.finish_job(target(proxy))
    sending.send()
    output = sending.output(job)
    assert (output.state, output.error) == (OutputState.succeeded, None)
    assert output.url == f"s3://bucket/models/{job.id}"
    assert bucket.objects() == sent(job)
    head = bucket.head(f"models/{job.id}/config.json")
    digests = dict(line.split()[::-1] for line in SENT["SHA256SUMS"].decode().splitlines())
    assert head["Metadata"] == {"sha256": digests["config.json"]}
    assert head["ContentType"] == "application/json"
    writes = [path for method, path in proxy.requests if method in {"PUT", "POST"}]
    assert "SHA256SUMS" in writes[-1]
    assert "partNumber=4" in str(writes)  # the weights were sent in parts
    assert HIDDEN not in sending.rows()


def test_objects_that_are_there_already_are_not_sent_again(
    bucket: Bucket, proxy: Proxy, sending: Sending
) -> None:
    proxy.add("PUT", "SHA256SUMS", 503)
    job = sending.finish_job(target(proxy))
    sending.send()
    assert sending.outcome(job) == (OutputState.waiting, "output_unreachable")
    assert bucket.objects() == sent(job, FILES)
    writes = len([one for one in proxy.requests if one[0] in {"PUT", "POST"}])
    sending.send_again()
    assert sending.outcome(job) == (OutputState.succeeded, None)
    assert bucket.objects() == sent(job)
    assert len([one for one in proxy.requests if one[0] in {"PUT", "POST"}]) == writes + 1


def test_a_key_that_may_only_write_is_enough(
    bucket: Bucket, proxy: Proxy, sending: Sending
) -> None:
    proxy.add("HEAD", "/bucket/", 403, times=99)
    job = sending.finish_job(target(proxy))
    sending.send()
    assert sending.outcome(job) == (OutputState.succeeded, None)
    assert bucket.objects() == sent(job)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (401, "output_denied"),
        (403, "output_denied"),
        (404, "output_target_missing"),
        (413, "output_too_large"),
        (507, "output_full"),
    ],
)
def test_a_refusal_is_final_and_leaves_no_part_of_the_object(
    bucket: Bucket, proxy: Proxy, sending: Sending, status: int, code: str
) -> None:
    proxy.add("PUT", "safetensors.*partNumber=2", status, body=HIDDEN.encode())
    job = sending.finish_job(target(proxy))
    sending.send()
    assert sending.outcome(job) == (OutputState.failed, code)
    assert f"models/{job.id}/model.safetensors" not in bucket.objects()
    assert f"models/{job.id}/SHA256SUMS" not in bucket.objects()
    assert bucket.unfinished() == []
    sending.retry(job)
    sending.send()
    assert bucket.objects() == sent(job)
    assert HIDDEN not in sending.rows()


@pytest.mark.parametrize("options", [{"status": 500}, {"after_bytes": 1000}, {"is_late": True}])
def test_a_failure_in_mid_upload_is_retried(
    bucket: Bucket, proxy: Proxy, sending: Sending, options: dict[str, Any]
) -> None:
    proxy.add("PUT", "safetensors.*partNumber=2", **options)
    job = sending.finish_job(target(proxy))
    sending.send()
    assert sending.outcome(job) == (OutputState.waiting, "output_unreachable")
    assert f"models/{job.id}/model.safetensors" not in bucket.objects()
    sending.send_again()
    assert sending.outcome(job) == (OutputState.succeeded, None)
    assert bucket.objects() == sent(job)


def test_a_slow_service_is_tried_again_later(
    proxy: Proxy, sending: Sending, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "TIMEOUT", timedelta(seconds=1))
    released = threading.Event()
    proxy.add("PUT", "config.json", before=lambda: released.wait(DEADLINE_S))
    job = sending.finish_job(target(proxy))
    sending.send()
    released.set()
    assert sending.outcome(job) == (OutputState.waiting, "output_unreachable")


def test_a_file_that_changed_on_the_disk_does_not_become_an_object(
    bucket: Bucket, proxy: Proxy, sending: Sending
) -> None:
    job = sending.finish_job(target(proxy))
    damaged = next(sending.settings.artifact_dir.rglob("model.safetensors"))
    damaged.write_bytes(WEIGHTS[:-1] + b"?")
    sending.send()
    assert sending.outcome(job) == (OutputState.failed, "artifact_damaged")
    assert bucket.unfinished() == []
    assert f"models/{job.id}/model.safetensors" not in bucket.objects()


def test_a_secret_that_is_no_access_key_is_refused_without_its_value(
    proxy: Proxy, sending: Sending
) -> None:
    sending.set_secret("key", SECRET)
    job = sending.finish_job(target(proxy))
    sending.send()
    assert sending.outcome(job) == (OutputState.failed, "output_secret_format")
    assert SECRET not in sending.rows()


def test_a_target_that_the_operator_no_longer_allows_gets_nothing(
    bucket: Bucket, proxy: Proxy, sending: Sending
) -> None:
    job = sending.finish_job(target(proxy))
    sending.allow()
    sending.send()
    assert sending.outcome(job) == (OutputState.failed, "output_not_allowed")
    assert (bucket.objects(), proxy.requests) == ({}, [])


def test_only_the_secret_signs_and_only_the_target_is_called_whatever_the_variables_are(
    bucket: Bucket, proxy: Proxy, sending: Sending, monkeypatch: pytest.MonkeyPatch
) -> None:
    variables = {"ENDPOINT_URL": "http://127.0.0.1:1", "SESSION_TOKEN": "of-the-operator"}
    variables |= {"ACCESS_KEY_ID": "operator", "SECRET_ACCESS_KEY": "x", "SKIP_SIGNATURE": "true"}
    for name, value in variables.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    job = sending.finish_job(target(proxy))
    sending.send()
    assert sending.outcome(job) == (OutputState.succeeded, None)
    assert bucket.objects() == sent(job)
    assert all(f"Credential={KEY_ID}/" in one["authorization"] for one in proxy.headers)
    assert not any("x-amz-security-token" in one for one in proxy.headers)
