"""A real S3 server on loopback, as a process of its own, and buckets on it."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from db.buckets import bucket as bucket_module
from db.buckets.bucket import Bucket
from db.buckets.location import BucketLocation, parse_location
from tests.reserved_port import reserved_port
from tests.suite.starts import StartError
from tests.waiting import DEADLINE_S

PROGRAM = "from moto.server import main; main()"
RETRY_FOR = timedelta(seconds=2)
SECRET = "wJalrXUtnFEMI7MDENG"
SIGNED = {
    "Authorization": "AWS4-HMAC-SHA256 Credential=other/20260101/us-east-1/s3/aws4_request, "
    "SignedHeaders=host, Signature=0"
}
"""The server checks that a request is signed, but not the signature."""


def credentials(endpoint: str) -> dict[str, str]:
    """Return the variables with which a process uses a server."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_REGION": "us-east-1",
    }


@contextmanager
def serving(**variables: str) -> Iterator[str]:
    """Run a server during the block; yield its URL."""
    quiet, env = subprocess.DEVNULL, {**os.environ, **variables}
    with reserved_port() as port:
        command = [sys.executable, "-c", PROGRAM, "-H", "127.0.0.1", "-p", str(port)]
        process = subprocess.Popen(command, env=env, stdout=quiet, stderr=quiet)
        try:
            _wait(process, port)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()
            process.wait()


def create_bucket(server: str) -> str:
    """Create a bucket, and return the URL of a prefix in it."""
    name = f"zpruner-{uuid4().hex}"
    httpx.put(f"{server}/{name}", timeout=DEADLINE_S).raise_for_status()
    return f"s3://{name}/some/prefix"


def put_objects(server: str, url: str, files: Mapping[str, bytes]) -> None:
    """Store objects below a URL, with another client than ours."""
    for name, content in files.items():
        address = f"{server}/{url.removeprefix('s3://')}/{name}"
        response = httpx.put(address, content=content, headers=SIGNED, timeout=DEADLINE_S)
        response.raise_for_status()


def location_of(url: str) -> BucketLocation:
    location = parse_location(url)
    assert not isinstance(location, Path)
    return location


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The URL of a server that all tests of this process use."""
    with serving(S3_UPLOAD_PART_MIN_SIZE="2048") as url:
        yield url


@pytest.fixture
def bucket_url(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a new bucket, which this process has the variables for."""
    for name, value in credentials(s3_server).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(bucket_module, "PROBE_TIMEOUT", timedelta(seconds=DEADLINE_S))
    return create_bucket(s3_server)


@pytest.fixture
def bucket(bucket_url: str) -> Bucket:
    return Bucket(location_of(bucket_url), RETRY_FOR)


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not _listens(port):
        if process.poll() is not None or time.monotonic() > deadline:
            raise StartError(f"moto's server did not start; its exit code is {process.poll()}")
        time.sleep(0.05)


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
