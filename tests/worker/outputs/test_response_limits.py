"""No response of a target takes more memory than the limit, however few bytes it has."""

import gzip
import tracemalloc
import zlib
from collections.abc import Iterator
from typing import Any

import httpx
import httpx2
import pytest

from tests.proxy import Proxy, proxying
from worker.outputs.failures import TargetError
from worker.outputs.response_limits import MAX_BODY_BYTES, UNCOMPRESSED, limit_body

MIB = 1 << 20
SPACES = b" " * (64 * MIB)
BODIES: dict[str, tuple[bytes, dict[str, str], str]] = {
    "gzip": (gzip.compress(SPACES), {"Content-Encoding": "gzip"}, "compressed by gzip"),
    "deflate": (zlib.compress(SPACES), {"Content-Encoding": "deflate"}, "compressed by deflate"),
    "twice": (
        gzip.compress(gzip.compress(SPACES)),
        {"Content-Encoding": "gzip, gzip"},
        "compressed by gzip, gzip",
    ),
    "in capitals": (gzip.compress(b"{}"), {"Content-Encoding": "GZIP"}, "compressed by GZIP"),
    "plain": (b" " * (MAX_BODY_BYTES + 1), {}, "more than 4 MiB"),
}


@pytest.fixture(scope="module")
def target() -> Iterator[Proxy]:
    with proxying("http://127.0.0.1:9") as proxy:
        yield proxy


def limited(library: Any) -> Any:
    hooks = {"response": [limit_body]}
    return library.Client(event_hooks=hooks, headers=UNCOMPRESSED, trust_env=False)


@pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])
@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize(("body", "headers", "reason"), BODIES.values(), ids=BODIES)
def test_a_body_that_is_too_large_is_not_read_to_its_end(
    target: Proxy, library: Any, status: int, body: bytes, headers: dict[str, str], reason: str
) -> None:
    target.add("GET", "/bomb", status, body=body, headers=headers)
    tracemalloc.start()
    try:
        with limited(library) as client, pytest.raises(TargetError, match=reason) as refused:
            client.get(f"{target.url}/bomb")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3 * MAX_BODY_BYTES
    assert (refused.value.status, refused.value.is_transient) == (status, False)
    assert target.headers[-1]["accept-encoding"] == "identity"


@pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])
def test_a_body_up_to_the_limit_is_read(target: Proxy, library: Any) -> None:
    target.add("GET", "/whole", 200, body=b"x" * MAX_BODY_BYTES)
    with limited(library) as client:
        assert len(client.get(f"{target.url}/whole").content) == MAX_BODY_BYTES
