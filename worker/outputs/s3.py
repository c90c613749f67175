"""Sending a job's files to a bucket of S3, or of a service with the same protocol."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from obstore.exceptions import BaseError
from obstore.store import S3Store

from db.buckets.access_key import parse_access_key
from db.buckets.bucket import PERMANENT
from db.buckets.endpoint import connect_as
from db.files.sealed_folder import CHECKSUMS
from db.spec.outputs.targets import S3Output
from db.tables.artifacts import Artifact
from worker.outputs.artifact_reader import ArtifactReader
from worker.outputs.attempt import OutputAttempt
from worker.outputs.failures import SecretFormatError, TargetError

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig

PART_BYTES = 16 << 20
"""An object has at most 10,000 parts, so that a file may have 160 GB."""
PARALLEL_PARTS = 4
CONNECT_TIMEOUT, TIMEOUT = timedelta(seconds=10), timedelta(seconds=120)
RETRIES: "RetryConfig" = {
    "max_retries": 3,
    "backoff": {
        "base": 2,
        "init_backoff": timedelta(seconds=0.2),
        "max_backoff": timedelta(seconds=5),
    },
    "retry_timeout": timedelta(seconds=60),
}
DIGEST = "sha256"
"""The name of the digest among an object's metadata."""
STATUS = re.compile(r"(?:status code|status): (\d{3})")
STATUSES = {
    "UnauthenticatedError": 401,
    "PermissionDeniedError": 403,
    "NotFoundError": 404,
    "AlreadyExistsError": 409,
    "PreconditionError": 412,
}


def send_to_s3(target: S3Output, attempt: OutputAttempt, secret: str) -> str:
    """Upload the files that the bucket lacks; return the address of their folder.

    An object becomes visible when all of it was received. The list of checksums is sent last: where
    it is, all files are.

    Raises:
        TargetError: the service refused a request, or could not be reached.
        SecretFormatError: the secret is no access key.
    """
    store = _open(target, secret)
    folder = f"{_prefix(target)}{attempt.output.job_id}"
    for artifact in sorted(
        attempt.output.artifacts, key=lambda artifact: artifact.name == CHECKSUMS
    ):
        path = f"{folder}/{artifact.name}"
        if not _has(store, path, artifact):
            if artifact.name == CHECKSUMS:
                attempt.require_held()
            _put(store, path, artifact, attempt)
        attempt.progress.complete(artifact.name)
    return f"s3://{_bucket(target)}/{folder}"


def _open(target: S3Output, secret: str) -> S3Store:
    """Return a client that uses the secret only."""
    try:
        key = parse_access_key(secret)
    except ValueError as error:
        raise SecretFormatError(str(error)) from None
    is_plain = target.endpoint is not None and target.endpoint.startswith("http:")
    options: ClientConfig = {
        "connect_timeout": CONNECT_TIMEOUT,
        "timeout": TIMEOUT,
        "allow_http": is_plain,
    }
    return connect_as(key, _bucket(target), target.endpoint, target.region, options, RETRIES)


def _bucket(target: S3Output) -> str:
    return target.s3.removeprefix("s3://").partition("/")[0]


def _prefix(target: S3Output) -> str:
    prefix = target.s3.removeprefix("s3://").partition("/")[2].strip("/")
    return f"{prefix}/" if prefix else ""


def _has(store: S3Store, path: str, artifact: Artifact) -> bool:
    """Whether the bucket has an object of the same size and digest.

    To a key that may not list the bucket, S3 denies access to an object that does not exist.
    """
    try:
        with _target_errors():
            response = store.get(path, options={"head": True})
            digest = {str(name): value for name, value in response.attributes.items()}.get(DIGEST)
            return (response.meta["size"], digest) == (artifact.size_bytes, artifact.sha256)
    except TargetError as error:
        if error.status in {403, 404}:
            return False
        raise


def _put(store: S3Store, path: str, artifact: Artifact, attempt: OutputAttempt) -> None:
    attributes = {"Content-Type": artifact.media_type, DIGEST: artifact.sha256}
    with attempt.open(artifact) as reader, _target_errors(reader):
        store.put(
            path,
            reader,
            attributes=attributes,
            use_multipart=artifact.size_bytes > PART_BYTES,
            chunk_size=PART_BYTES,
            max_concurrency=PARALLEL_PARTS,
        )


@contextmanager
def _target_errors(reader: ArtifactReader | None = None) -> Iterator[None]:
    """Convert errors of the client; if reading the file failed, raise that error instead."""
    try:
        yield
    except (BaseError, OSError) as error:
        if reader is not None and reader.failure is not None:
            raise reader.failure from None
        text = str(error)
        match = STATUS.search(text)
        status = int(match[1]) if match else STATUSES.get(type(error).__name__)
        is_final = isinstance(error, PERMANENT)
        raise TargetError(status, text.partition("\n")[0], is_final=is_final) from None
