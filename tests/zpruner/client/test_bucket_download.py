"""Downloads from a bucket to which the service redirects."""

import asyncio
import os
import random
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from db.core.session import Sessions
from db.files.stores import open_store
from db.startup.settings import Settings
from demo.service import free_port
from tests.api.work import finish_job
from tests.bucket_server import credentials
from tests.cutting_proxy import cutting
from tests.waiting import DEADLINE_S
from tests.zpruner.client.downloads import CONTENT, prepare, requested_ranges
from tests.zpruner.service import Answer, Service, serving
from zpruner import AsyncClient, Client, CorruptedError, ServiceError
from zpruner.client import download
from zpruner.client.transport.transport import MAX_RETRIES
from zpruner.parts.programs import command, environment

OBJECT = "/bucket/weights.bin?X-Amz-Signature=abc"
MIB = 1 << 20


@pytest.fixture
def bucket() -> Iterator[Service]:
    with serving() as bucket:
        yield bucket


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "PAUSE_S", 0.0)


def redirect(bucket: Service) -> Answer:
    return Answer(307, headers={"Location": bucket.url + OBJECT})


def cut(at: int) -> Answer:
    return Answer(200, CONTENT, cut=at)


@pytest.mark.parametrize("parallel", [1, 2])
def test_the_bytes_come_from_the_bucket_which_does_not_see_the_key(
    service: Service, bucket: Service, tmp_path: Path, parallel: int
) -> None:
    prepare(service, redirect(bucket))
    bucket.prepare(OBJECT, Answer(200, CONTENT))

    with Client(service.url, "zpr_secret") as client:
        (path,) = client.jobs.download("job_1", tmp_path, parallel=parallel)

    assert path.read_bytes() == CONTENT
    assert set(service.authorizations) == {"Bearer zpr_secret"}
    assert set(bucket.authorizations) == {None}


def test_a_broken_download_goes_on_where_it_was_broken(
    service: Service, bucket: Service, client: Client, tmp_path: Path
) -> None:
    prepare(service, redirect(bucket))
    bucket.prepare(OBJECT, *[cut(5_000)] * 10, Answer(200, CONTENT))

    (path,) = client.jobs.download("job_1", tmp_path)

    assert path.read_bytes() == CONTENT
    starts = [int((one or "bytes=0-")[6:].split("-")[0]) for _, _, one in bucket.seen]
    assert starts == [5_000 * index for index in range(11)]


def test_the_asynchronous_client_does_the_same(
    service: Service, bucket: Service, tmp_path: Path
) -> None:
    prepare(service, redirect(bucket))
    bucket.prepare(OBJECT, cut(5_000), Answer(200, CONTENT))

    async def run() -> Path:
        async with AsyncClient(service.url, "zpr_secret") as client:
            (path,) = await client.jobs.download("job_1", tmp_path)
            return path

    assert asyncio.run(run()).read_bytes() == CONTENT
    assert set(bucket.authorizations) == {None}


def test_an_expired_url_is_replaced_by_a_new_one(
    service: Service, bucket: Service, client: Client, tmp_path: Path
) -> None:
    prepare(service, redirect(bucket))
    expired = Answer(403, b"<Error><Code>AccessDenied</Code></Error>")
    bucket.prepare(OBJECT, expired, cut(5_000), expired, expired, Answer(200, CONTENT))

    (path,) = client.jobs.download("job_1", tmp_path)

    assert path.read_bytes() == CONTENT
    assert len(requested_ranges(service)) == len(bucket.seen) == 5


def test_a_bucket_that_never_responds_well_is_an_error_that_says_how_to_resume(
    service: Service, bucket: Service, client: Client, tmp_path: Path
) -> None:
    prepare(service, redirect(bucket))
    bucket.prepare(OBJECT, cut(5_000), Answer(403, b""))
    with pytest.raises(ServiceError, match=r"weights.bin \(try again to resume\).*403"):
        client.jobs.download("job_1", tmp_path)
    assert len(bucket.seen) == 2 + MAX_RETRIES
    bucket.prepare(OBJECT, Answer(200, CONTENT))
    (path,) = client.jobs.download("job_1", tmp_path)
    assert path.read_bytes() == CONTENT
    assert bucket.seen[-1][2] == "bytes=5000-"


def test_wrong_bytes_of_a_bucket_are_found(
    service: Service, bucket: Service, client: Client, tmp_path: Path
) -> None:
    prepare(service, redirect(bucket))
    bucket.prepare(OBJECT, Answer(200, CONTENT[::-1]))
    with pytest.raises(CorruptedError):
        client.jobs.download("job_1", tmp_path)


def test_64_mib_arrive_through_ten_broken_connections_and_the_api_needs_no_memory_for_them(
    sessions: Sessions, database_url: str, s3_server: str, bucket_url: str, tmp_path: Path
) -> None:
    content = random.Random(1).randbytes(64 * MIB)
    fields = {"_env_file": None, "data_dir": tmp_path / "data", "artifact_url": bucket_url}
    store = open_store(Settings.model_validate(fields))
    job = finish_job(sessions, store, {"weights.bin": content, "report.json": b"{}"})
    port = free_port()
    with cutting(s3_server, cuts=10, cut_after_bytes=2 * MIB) as proxy:
        variables = {
            "ZPRUNER_DATA_DIR": str(tmp_path / "data"),
            "ZPRUNER_DATABASE_URL": database_url,
            "ZPRUNER_ARTIFACT_URL": bucket_url,
            "ZPRUNER_BROKER_URL": "redis://127.0.0.1:9/0",
        }
        env = environment({**os.environ, **variables, **credentials(proxy.url)})
        with subprocess.Popen(command("api", "--port", str(port)), env=env) as api:
            try:
                url = f"http://127.0.0.1:{port}"
                wait_for(f"{url}/healthz")
                with Client(url) as client:
                    for one in client.jobs.artifacts(job.id):
                        httpx.get(
                            f"{url}/v1/artifacts/{one.id}/content",
                            headers={"Range": "bytes=0-0"},
                            timeout=DEADLINE_S,
                        )
                    before = psutil.Process(api.pid).memory_info().rss
                    paths = client.jobs.download(job.id, tmp_path / "out")
                    growth = psutil.Process(api.pid).memory_info().rss - before
            finally:
                api.terminate()
        assert proxy.cuts < 0, "every cut was made"
    assert next(one for one in paths if one.name == "weights.bin").read_bytes() == content
    assert growth < 16 * MIB


def wait_for(url: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while True:
        try:
            httpx.get(url).raise_for_status()
            return
        except httpx.HTTPError:
            assert time.monotonic() < deadline, "the API did not start"
            time.sleep(0.1)
