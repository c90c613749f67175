"""Models from a bucket of a real S3 server, and how they survive what happens on the way."""

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from db.core.errors import SpecRefusedError
from db.spec.inputs.bucket_references import S3Folder
from tests.bucket_server import credentials, location_of, put_objects, serving
from tests.cutting_proxy import cutting
from tests.proxy import Proxy, proxying
from tests.waiting import DEADLINE_S
from tests.worker.sources.builders import (
    CONFIG,
    as_json,
    model_files,
    safetensors,
    scaled_files,
    sharded_files,
)
from worker.jobs.problems import TRANSIENT_CODES, problem_of
from worker.sources.models import ModelFolder, fetch_model, fetch_outline

FIRST, SECOND = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
OTHERS = ("pytorch_model.bin", "modeling_own.py", "onnx/model.json", "checkpoint/config.json")


@pytest.fixture
def reference(bucket_url: str, tmp_path: Path) -> S3Folder:
    """A model in a new bucket, which has no objects at first."""
    url = f"{bucket_url}/tiny"
    return S3Folder(location_of(url), url, tmp_path / "inputs")


@pytest.fixture
def proxy(s3_server: str, reference: S3Folder, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """The way of our client to the server."""
    with proxying(s3_server) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        yield proxy


def refusal(reference: S3Folder, secret: str | None = None) -> SpecRefusedError:
    with pytest.raises(SpecRefusedError) as refused:
        fetch_model(reference, secret)
    assert (refused.value.field, refused.value.value) == ("model", reference.name)
    assert refused.value.remedy
    return refused.value


def contents(model: ModelFolder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in model.path.iterdir()}


def test_a_model_is_copied_completely_without_what_is_not_needed(
    s3_server: str, reference: S3Folder
) -> None:
    files = sharded_files() | {"tokenizer.json": b"{}", "LICENSE.txt": b"ours"}
    put_objects(s3_server, reference.name, files | dict.fromkeys(OTHERS, b"x"))
    put_objects(s3_server, f"{reference.name}2", {"config.json": b"of another model"})

    model = fetch_model(reference)

    assert contents(model) == files
    assert (model.name, model.revision) == (reference.name, None)


def test_a_second_job_of_the_same_objects_copies_nothing(
    s3_server: str, reference: S3Folder, proxy: Proxy
) -> None:
    put_objects(s3_server, reference.name, model_files())
    first = fetch_model(reference)
    copied = proxy.count("GET", "/tiny/")
    assert copied == len(model_files())
    assert fetch_model(reference) == first
    assert proxy.count("GET", "/tiny/") == copied


def test_two_jobs_at_once_share_one_copy(s3_server: str, reference: S3Folder, proxy: Proxy) -> None:
    put_objects(s3_server, reference.name, sharded_files())
    with ThreadPoolExecutor() as pool:
        first, second = pool.map(fetch_model, [reference, reference])
    assert first == second
    assert contents(first) == sharded_files()
    assert proxy.count("GET", "/tiny/") == len(sharded_files())


def test_a_replaced_object_is_copied_again_and_the_old_copy_stays_as_it_is(
    s3_server: str, reference: S3Folder
) -> None:
    put_objects(s3_server, reference.name, model_files())
    before = fetch_model(reference)
    replaced = model_files() | {"model.safetensors": safetensors({"b": 3, "a": 5})}
    put_objects(s3_server, reference.name, replaced)

    after = fetch_model(reference)

    assert contents(after) == replaced
    assert contents(before) == model_files()


def test_a_connection_that_breaks_inside_a_file_is_resumed(
    s3_server: str, reference: S3Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_objects(s3_server, reference.name, sharded_files())
    with cutting(s3_server, cuts=2, cut_after_bytes=400_000) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        model = fetch_model(reference)
        assert proxy.cuts <= 0
    assert contents(model) == sharded_files()


def test_after_a_failure_complete_files_are_kept_and_incomplete_ones_are_not_used(
    s3_server: str, reference: S3Folder, proxy: Proxy
) -> None:
    put_objects(s3_server, reference.name, sharded_files())
    proxy.add("GET", SECOND, 403)
    assert refusal(reference).code == "bucket_denied"
    (folder,) = reference.copies.iterdir()
    assert (folder / FIRST).read_bytes() == sharded_files()[FIRST]
    assert not (folder / SECOND).exists()
    (folder / f".{SECOND}.part").write_bytes(b"cut off")
    done = proxy.count("GET", FIRST)

    model = fetch_model(reference)

    assert contents(model) == sharded_files()
    assert proxy.count("GET", FIRST) == done


def test_a_key_that_no_client_can_read_is_refused_and_not_tried_again(
    s3_server: str, reference: S3Folder, proxy: Proxy
) -> None:
    put_objects(s3_server, reference.name, model_files())
    key = f"{reference.location.prefix}/evil/../../x"
    entry = f"<Contents><Key>{key}</Key><Size>1</Size><ETag>e</ETag>"
    page = f"<ListBucketResult>{entry}<LastModified>2026-01-01T00:00:00.000Z</LastModified>"
    page += "</Contents><IsTruncated>false</IsTruncated></ListBucketResult>"
    proxy.add("GET", "list-type=2", 200, body=page.encode())
    refused = refusal(reference)
    assert (refused.code, "'..'" in refused.reason) == ("unreadable_model", True)
    assert problem_of(refused).code not in TRANSIENT_CODES


def test_an_object_that_is_replaced_while_it_is_copied_is_not_mixed_with_the_old_one(
    s3_server: str, reference: S3Folder, proxy: Proxy
) -> None:
    replaced = sharded_files() | {FIRST: safetensors({"a": 300_001})}
    put_objects(s3_server, reference.name, sharded_files())
    # The client repeats the request after the 500.
    proxy.add("GET", FIRST, 500, before=lambda: put_objects(s3_server, reference.name, replaced))

    refused = refusal(reference)

    assert refused.code == "bucket_unreachable"
    assert "replaced while it was read" in refused.reason
    assert contents(fetch_model(reference)) == replaced


def test_an_outline_reads_the_headers_of_the_weights_only(
    s3_server: str, reference: S3Folder, proxy: Proxy, tmp_path: Path
) -> None:
    files = sharded_files() | {"tokenizer.json": b"{}"}
    put_objects(s3_server, reference.name, files)
    scratch = tmp_path / "scratch"
    scratch.mkdir()

    model = fetch_outline(reference, scratch)

    assert model == ModelFolder(scratch, reference.name)
    assert {path.name for path in scratch.iterdir()} == files.keys() - {"tokenizer.json"}
    for name in (FIRST, SECOND):
        assert (scratch / name).stat().st_size == len(files[name])
        assert (scratch / name).read_bytes()[:8] == files[name][:8]
    ranges = [one["range"] for one in proxy.headers if "range" in one]
    assert max(int(one.rpartition("-")[2]) for one in ranges) < 1000
    assert not reference.copies.exists()
    assert fetch_outline(reference, scratch, with_tokenizer=True).path == scratch
    assert (scratch / "tokenizer.json").read_bytes() == b"{}"


def test_8_bit_floats_with_scales_are_copied_where_they_are_accepted(
    s3_server: str, reference: S3Folder, tmp_path: Path
) -> None:
    put_objects(s3_server, reference.name, scaled_files())
    assert refusal(reference).code == "quantized"
    assert contents(fetch_model(reference, may_be_scaled=True)) == scaled_files()
    assert fetch_outline(reference, tmp_path, may_be_scaled=True).path == tmp_path


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ({}, "model_not_found"),
        ({"model.safetensors": b""}, "no_config"),
        ({"config.json": as_json(CONFIG)}, "no_weights"),
        ({"config.json": as_json(CONFIG), "pytorch_model.bin": b"x"}, "pickle_only"),
        ({"sub/config.json": b"{}", "sub/model.safetensors": b""}, "no_config"),
        (model_files(model__safetensors=b""), "truncated_weights"),
        (model_files(config__json=b"["), "malformed_config"),
        (model_files(model__safetensors=b"\xff" * 20), "oversized_header"),
        (model_files(LICENSE__txt=b" " * (2 << 20)), "oversized_file"),
    ],
)
def test_a_model_that_cannot_be_used_is_refused_for_a_job_and_for_an_estimate(
    files: dict[str, bytes], code: str, s3_server: str, reference: S3Folder, tmp_path: Path
) -> None:
    put_objects(s3_server, reference.name, files)
    assert refusal(reference).code == code
    with pytest.raises(SpecRefusedError) as refused:
        fetch_outline(reference, tmp_path)
    assert refused.value.code == code


def test_a_missing_bucket_is_refused(reference: S3Folder) -> None:
    name = "s3://zpruner-missing/tiny"
    missing = S3Folder(location_of(name), name, reference.copies)
    refused = refusal(missing)
    assert (refused.code, "no such bucket" in refused.reason) == ("model_not_found", True)


def test_only_the_access_key_of_the_caller_signs(
    s3_server: str, reference: S3Folder, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "canary.of-the-service")
    put_objects(s3_server, reference.name, model_files())
    fetch_model(reference, "AKIACALLER:canary.of-the-caller")
    signers = {one["authorization"].partition("/")[0] for one in proxy.headers}
    assert signers == {"AWS4-HMAC-SHA256 Credential=AKIACALLER"}
    assert "canary" not in str(proxy.headers)


def test_a_wrong_access_key_is_denied_with_the_remedy_and_without_its_value(
    reference: S3Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(INITIAL_NO_AUTH_ACTION_COUNT="1") as url:
        httpx.put(f"{url}/{reference.location.bucket}", timeout=DEADLINE_S).raise_for_status()
        for name, value in credentials(url).items():
            monkeypatch.setenv(name, value)
        ours, theirs = refusal(reference), refusal(reference, "AKIACALLER:canary.wrong")
    assert [ours.code, theirs.code] == ["bucket_denied", "bucket_denied"]
    assert "AWS_ACCESS_KEY_ID" in ours.remedy
    assert "model_secret" in theirs.remedy
    assert "canary" not in str(theirs)


def test_a_full_disk_is_noticed_before_the_weights_are_copied(
    s3_server: str, reference: S3Folder, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_objects(s3_server, reference.name, model_files())
    usage = shutil.disk_usage("/")._replace(free=1 << 20)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(OSError, match="are free, and"):
        fetch_model(reference)
    assert proxy.count("GET", "safetensors") == 0
