"""How the bucket's service is reached, according to the ``AWS_*`` variables."""

import os
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from obstore.store import S3Store

from db.buckets.access_key import AccessKey
from db.buckets.errors import BucketError
from db.core import operator_keys, redaction
from db.core.operator_keys import KEY_ID, SECRET_KEY, SESSION_TOKEN

if TYPE_CHECKING:
    from obstore.store import BackoffConfig, ClientConfig, RetryConfig, S3Config, S3Credential

ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")
DEFAULT_REGION = "us-east-1"
ALLOW_HTTP = "AWS_ALLOW_HTTP"
OPTIONS = {KEY_ID: "access_key_id", SECRET_KEY: "secret_access_key", SESSION_TOKEN: "token"}
"""The library's names of the operator's keys."""
CONNECT_TIMEOUT = timedelta(seconds=5)
UNLIMITED = 1_000_000
"""More retries than there is time for. The library's default is 10: a service that refuses each
connection has refused so many after three seconds."""
BACKOFF: "BackoffConfig" = {
    "init_backoff": timedelta(milliseconds=100),
    "max_backoff": timedelta(seconds=2),
    "base": 4,
}
"""The library waits a random time between the first one and the last one times the base. With its
own base of 2 these times do not grow."""


def connect(
    bucket: str,
    *,
    timeout: timedelta,
    retry_for: timedelta,
    max_retries: int = UNLIMITED,
    key: AccessKey | None = None,
) -> S3Store:
    """Return a client of the bucket; nothing is sent yet.

    The library reads credentials, region and endpoint from the environment, except for keys that
    are no longer in it (`operator_keys.take`): these it is given.

    Args:
        bucket: the bucket's name.
        timeout: the longest time for one request, which transfers a few megabytes at most.
        retry_for: how long a request is repeated.
        max_retries: how often; by default only the time decides.
        key: what signs requests; then only endpoint and region are those of the environment.

    Raises:
        BucketError: the connection would not be encrypted, and the operator did not permit that.
    """
    for name in (SECRET_KEY, SESSION_TOKEN):
        if value := operator_keys.bucket_key(name):
            redaction.register(value)
    allows_http = os.environ.get(ALLOW_HTTP, "").lower() in {"1", "true"}
    endpoint = _endpoint_url(allows_http)
    client: ClientConfig = {
        "allow_http": allows_http,
        "connect_timeout": CONNECT_TIMEOUT,
        "timeout": timeout,
    }
    retries: RetryConfig = {
        "backoff": BACKOFF,
        "max_retries": max_retries,
        "retry_timeout": retry_for,
    }
    if key is not None:
        region = _first_set(REGIONS)
        return connect_as(
            key,
            bucket,
            endpoint,
            os.environ[region] if region else DEFAULT_REGION,
            client,
            retries,
        )
    # The service compares each part with this checksum before it stores the part.
    options: dict[str, Any] = {"checksum_algorithm": "SHA256"}
    if "AWS_CHECKSUM_ALGORITHM" in os.environ:
        options = {}
    kept = operator_keys.kept_bucket_keys()
    options |= {OPTIONS[name]: value for name, value in kept.items()}
    return S3Store(bucket, client_options=client, retry_config=retries, **options)


def connect_as(
    key: AccessKey,
    bucket: str,
    endpoint: str | None,
    region: str,
    client: "ClientConfig",
    retries: "RetryConfig",
) -> S3Store:
    """Return a client whose requests this key signs, and nothing else.

    Everything is given, because the library reads what is not given from the ``AWS_*`` variables,
    which are for the buckets of the service itself.

    Args:
        key: a caller's access key.
        bucket: the bucket's name.
        endpoint: the URL of the service; None for AWS.
        region: the region of the bucket.
        client, retries: options of the library.
    """
    credential: S3Credential = {
        "access_key_id": key.id,
        "secret_access_key": key.secret,
        "token": key.token,
        "expires_at": None,
    }
    config: S3Config = {
        "region": region,
        "endpoint": (endpoint or f"https://s3.{region}.amazonaws.com").rstrip("/"),
        "virtual_hosted_style_request": False,
        "skip_signature": False,
    }
    return S3Store(
        bucket,
        config=config,
        client_options=client,
        retry_config=retries,
        credential_provider=lambda: credential,
    )


def _endpoint_url(allows_http: bool) -> str | None:
    """Return the endpoint that the environment sets; None for AWS.

    Raises:
        BucketError: it is not encrypted, and the operator did not permit that.
    """
    name = _first_set(ENDPOINTS)
    if name is None:
        return None
    if os.environ[name].startswith("http://") and not allows_http:
        raise BucketError(
            f"{name}={os.environ[name]} is not encrypted. Use https, or set "
            f"{ALLOW_HTTP}=true if you trust the network."
        )
    return os.environ[name]


def _first_set(names: tuple[str, ...]) -> str | None:
    """Return the first of these variables that has a value."""
    return next((name for name in names if os.environ.get(name)), None)
