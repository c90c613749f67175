"""A bucket of a real S3 server (moto) on loopback."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
import httpx
from moto.s3 import models
from moto.server import ThreadedMotoServer

from tests.waiting import DEADLINE_S

# With S3's own limit, files of several parts would be large.
models.S3_UPLOAD_PART_MIN_SIZE = 1  # type: ignore[attr-defined] # of another module


@dataclass(frozen=True)
class Bucket:
    """The bucket, read with another client than the one that is tested."""

    endpoint: str
    client: Any
    name: str = "bucket"

    def objects(self) -> dict[str, bytes]:
        """Return the content of each object."""
        listed = self.client.list_objects_v2(Bucket=self.name).get("Contents", ())
        keys = [one["Key"] for one in listed]
        return {key: self._object(key)["Body"].read() for key in keys}

    def unfinished(self) -> list[str]:
        """Return the keys of multipart uploads that are neither complete nor aborted."""
        listed = self.client.list_multipart_uploads(Bucket=self.name).get("Uploads", ())
        return [one["Key"] for one in listed]

    def head(self, key: str) -> dict[str, Any]:
        return dict(self.client.head_object(Bucket=self.name, Key=key))

    def _object(self, key: str) -> dict[str, Any]:
        return dict(self.client.get_object(Bucket=self.name, Key=key))


@contextmanager
def serving_bucket() -> Iterator[Bucket]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    # All servers of a process share objects.
    httpx.post(f"{url}/moto-api/reset", timeout=DEADLINE_S).raise_for_status()
    keys = {"aws_access_key_id": "reader", "aws_secret_access_key": "reader"}
    client = boto3.client("s3", endpoint_url=url, region_name="us-east-1", **keys)
    client.create_bucket(Bucket="bucket")
    try:
        yield Bucket(url, client)
    finally:
        client.close()
        server.stop()
