"""How the bucket's service is reached, according to the ``AWS_*`` variables."""

import os
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from obstore.store import S3Store

from db.buckets.errors import BucketError
from db.core import redaction

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig

ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
ALLOW_HTTP = "AWS_ALLOW_HTTP"
SECRETS = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
CONNECT_TIMEOUT = timedelta(seconds=5)


def connect(bucket: str, *, timeout: timedelta, retry_for: timedelta, max_retries: int) -> S3Store:
    """Return a client of the bucket; nothing is sent yet.

    The library reads credentials, region and endpoint from the environment.

    Args:
        bucket: the bucket's name.
        timeout: the longest time for one request, which transfers a few megabytes at most.
        retry_for: how long a request is repeated.
        max_retries: how often.

    Raises:
        BucketError: the connection would not be encrypted, and the operator did not permit that.
    """
    for name in SECRETS:
        if value := os.environ.get(name):
            redaction.register(value)
    allows_http = os.environ.get(ALLOW_HTTP, "").lower() in {"1", "true"}
    endpoint = next((name for name in ENDPOINTS if os.environ.get(name)), None)
    if endpoint and os.environ[endpoint].startswith("http://") and not allows_http:
        raise BucketError(
            f"{endpoint}={os.environ[endpoint]} is not encrypted. Use https, or set "
            f"{ALLOW_HTTP}=true if you trust the network."
        )
    client: ClientConfig = {
        "allow_http": allows_http,
        "connect_timeout": CONNECT_TIMEOUT,
        "timeout": timeout,
    }
    retries: RetryConfig = {"max_retries": max_retries, "retry_timeout": retry_for}
    # The service compares each part with this checksum before it stores the part.
    options: dict[str, Any] = {"checksum_algorithm": "SHA256"}
    if "AWS_CHECKSUM_ALGORITHM" in os.environ:
        options = {}
    return S3Store(bucket, client_options=client, retry_config=retries, **options)
