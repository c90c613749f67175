import hashlib
import hmac
import re
import threading
import time
from base64 import b64decode, b64encode
from collections.abc import Iterator
from http.server import HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from worker.webhooks.signature import signed_headers as signed_by_the_service
from zpruner.webhooks import SignatureError, verify

# The example in the test suites of Standard Webhooks.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
EXAMPLE = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}
BODY = b'{"test": 2432232314}'
DOCUMENT = Path(__file__).parents[3] / "docs" / "webhooks.md"
NO_LIMIT = float("inf")
OTHER = "whsec_" + b64encode(b"o" * 32).decode()


def signed(secret: str, body: bytes, moment: float, message_id: str = "msg_1") -> dict[str, str]:
    content = b"%s.%d.%s" % (message_id.encode(), moment, body)
    key = b64decode(secret.removeprefix("whsec_"))
    signature = b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
    return {
        "Webhook-Id": message_id,
        "Webhook-Timestamp": str(int(moment)),
        "Webhook-Signature": f"v1,{signature}",
    }


def test_the_published_example_is_verified() -> None:
    assert verify(SECRET, EXAMPLE, BODY, NO_LIMIT) == {"test": 2432232314}
    assert verify(SECRET, EXAMPLE, BODY.decode(), NO_LIMIT) == {"test": 2432232314}


def test_headers_may_have_any_case() -> None:
    assert verify(SECRET, signed(SECRET, BODY, time.time()), BODY) == {"test": 2432232314}


def test_one_valid_signature_is_enough() -> None:
    new, old = (signed(secret, BODY, time.time()) for secret in (OTHER, SECRET))
    both = new | {"Webhook-Signature": f"{new['Webhook-Signature']} {old['Webhook-Signature']}"}
    for secret in (OTHER, SECRET):
        assert verify(secret, both, BODY)


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"webhook-id": "msg_other"}, "no signature matches"),
        ({"webhook-timestamp": "1614265331"}, "no signature matches"),
        ({"webhook-timestamp": "now"}, "not a number"),
        ({"webhook-timestamp": "-1"}, "not a number"),
        ({"webhook-timestamp": "9" * 12}, "too large"),
        ({"webhook-timestamp": "9" * 400}, "too large"),
        ({"webhook-timestamp": "9" * 5000}, "too large"),
        ({"webhook-signature": "v1,\udcff"}, "not UTF-8"),
        ({"webhook-id": "msg_\udcff"}, "not UTF-8"),
        ({"webhook-signature": ""}, "no signature matches"),
        ({"webhook-signature": EXAMPLE["webhook-signature"][3:]}, "no signature matches"),
        ({"webhook-signature": "v1,é"}, "no signature matches"),
        ({"webhook-signature": EXAMPLE["webhook-signature"].replace("v1", "v1a")}, "no signature"),
    ],
)
def test_every_change_is_detected(changed: dict[str, str], error: str) -> None:
    with pytest.raises(SignatureError, match=error):
        verify(SECRET, EXAMPLE | changed, BODY, NO_LIMIT)
    with pytest.raises(SignatureError, match="no signature matches"):
        verify(SECRET, EXAMPLE, BODY + b" ", NO_LIMIT)
    with pytest.raises(SignatureError, match="no signature matches"):
        verify(OTHER, EXAMPLE, BODY, NO_LIMIT)


def test_a_body_that_is_not_utf_8_is_refused() -> None:
    with pytest.raises(SignatureError, match="not UTF-8"):
        verify(SECRET, EXAMPLE, b"\xff", NO_LIMIT)


@pytest.mark.parametrize("missing", EXAMPLE)
def test_a_missing_header_is_named(missing: str) -> None:
    headers = {name: value for name, value in EXAMPLE.items() if name != missing}
    with pytest.raises(SignatureError, match=missing):
        verify(SECRET, headers, BODY, NO_LIMIT)


@pytest.mark.parametrize("late_s", [-360, 360])
def test_an_old_message_is_refused(late_s: float) -> None:
    old = signed(SECRET, BODY, time.time() - late_s)
    with pytest.raises(SignatureError, match="too long ago"):
        verify(SECRET, old, BODY)
    assert verify(SECRET, old, BODY, tolerance_s=500)


def test_messages_of_the_service_are_verified() -> None:
    headers = signed_by_the_service("msg_1", BODY.decode(), [OTHER, SECRET])
    for secret in (OTHER, SECRET):
        assert verify(secret, headers, BODY) == {"test": 2432232314}


@pytest.fixture
def receiver() -> Iterator[str]:
    """The URL of the receiver in the documentation, with a valid secret."""
    (code,) = re.findall(r"```python\n(.+?)```", DOCUMENT.read_text(), re.DOTALL)
    names: dict[str, Any] = {"__name__": "documented"}
    exec(code.replace("whsec_…", SECRET), names)
    with HTTPServer(("127.0.0.1", 0), names["Receiver"]) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def test_the_documented_receiver_accepts_valid_messages_only(
    receiver: str, capfd: pytest.CaptureFixture[str]
) -> None:
    body = b'{"type": "job.succeeded", "subject": "job_1"}'
    for secret, status in ((SECRET, 204), (OTHER, 401)):
        headers = signed(secret, body, time.time())
        answer = httpx.post(receiver, content=body, headers=headers, timeout=60)
        assert answer.status_code == status
    assert capfd.readouterr().out == "job.succeeded job_1\n"
