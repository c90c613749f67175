"""Requests to buckets are signed by the right key, wherever the process has it from."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from db.buckets import endpoint
from db.core.operator_keys import NAMES
from tests.bucket_server import credentials
from tests.waiting import DEADLINE_S

SCRIPT = """
import sys
from datetime import timedelta
from db.buckets.access_key import AccessKey
from db.buckets.endpoint import connect
from db.core import operator_keys

if "taken" in sys.argv:
    operator_keys.take()
key = AccessKey("caller", "secret of the caller") if "caller" in sys.argv else None
limit = timedelta(seconds=60)
store = connect("bucket", timeout=limit, retry_for=limit, max_retries=0, key=key)
assert bytes(store.get("name").bytes()) == b"{}"
"""
KEYS = {
    "AWS_ACCESS_KEY_ID": "operator",
    "AWS_SECRET_ACCESS_KEY": "secret of the operator",
    "AWS_SESSION_TOKEN": "session-of-the-operator",
}
ROLE = {"AccessKeyId": "role", "SecretAccessKey": "secret of the role", "Token": "of-the-role"}


@contextmanager
def serving(refusals: int = 0) -> Iterator[tuple[str, list[tuple[str, str | None]]]]:
    """Yield the URL of a server, and who signed the requests for an object, with the token sent.

    It refuses the first requests, as a service does that is just starting.
    """
    signed: list[tuple[str, str | None]] = []
    refused = iter(range(refusals))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b"{}"
            if self.path == "/role":
                body = json.dumps(ROLE | {"Expiration": "2999-01-01T00:00:00Z"}).encode()
            else:
                credential = self.headers["Authorization"].partition("Credential=")[2]
                signed.append((credential.partition("/")[0], self.headers["X-Amz-Security-Token"]))
            self.send_response(200 if next(refused, None) is None else 503)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
            self.send_header("ETag", '"1"')
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Log nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", signed
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("words", "keys", "expected"),
    [
        ([], KEYS, ("operator", "session-of-the-operator")),
        (["taken"], KEYS, ("operator", "session-of-the-operator")),
        (["taken"], {}, ("role", "of-the-role")),
        (["taken", "caller"], KEYS, ("caller", None)),
    ],
)
def test_requests_are_signed_by_the_caller_or_else_the_operators_key_or_else_the_role(
    words: list[str], keys: Mapping[str, str], expected: tuple[str, str | None], tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("of the container")
    others = {name: value for name, value in os.environ.items() if name not in NAMES}
    with serving() as (url, signed):
        role = {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{url}/role",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(tmp_path / "token"),
        }
        place = {"AWS_ENDPOINT_URL": url, "AWS_ALLOW_HTTP": "true", "AWS_REGION": "us-east-1"}
        command = [sys.executable, "-c", SCRIPT, *words]
        subprocess.run(command, env={**others, **place, **role, **keys}, check=True)
        assert signed == [expected]


def test_a_request_is_repeated_while_there_is_time_however_often_it_was_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for pause in ("init_backoff", "max_backoff"):
        monkeypatch.setitem(endpoint.BACKOFF, pause, timedelta(milliseconds=1))
    limit = timedelta(seconds=DEADLINE_S)
    with serving(refusals=50) as (url, signed):
        for name, value in credentials(url).items():
            monkeypatch.setenv(name, value)
        store = endpoint.connect("bucket", timeout=limit, retry_for=limit)
        assert bytes(store.get("name").bytes()) == b"{}"
        assert len(signed) == 51
