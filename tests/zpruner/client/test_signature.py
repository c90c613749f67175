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

from worker.webhooks import signature as courier
from zpruner.webhooks import SignatureError, verify

# The example that the implementations of Standard Webhooks share.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
EXAMPLE = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}
BODY = b'{"test": 2432232314}'
DOCUMENT = Path(__file__).parents[3] / "docs" / "webhooks.md"
EVER = float("inf")
OTHER = "whsec_" + b64encode(b"o" * 32).decode()


def signed(secret: str, body: bytes, moment: float, message_id: str = "msg_1") -> dict[str, str]:
    written = b"%s.%d.%s" % (message_id.encode(), moment, body)
    key = b64decode(secret.removeprefix("whsec_"))
    signature = b64encode(hmac.new(key, written, hashlib.sha256).digest()).decode()
    return {
        "Webhook-Id": message_id,
        "Webhook-Timestamp": str(int(moment)),
        "Webhook-Signature": f"v1,{signature}",
    }


def test_the_example_of_the_standard_is_genuine() -> None:
    assert verify(SECRET, EXAMPLE, BODY, EVER) == {"test": 2432232314}
    assert verify(SECRET, EXAMPLE, BODY.decode(), EVER) == {"test": 2432232314}


def test_a_message_of_now_is_genuine_whatever_the_case_of_its_headers() -> None:
    assert verify(SECRET, signed(SECRET, BODY, time.time()), BODY) == {"test": 2432232314}


def test_one_signature_of_two_is_enough() -> None:
    new, old = (signed(secret, BODY, time.time()) for secret in (OTHER, SECRET))
    both = new | {"Webhook-Signature": f"{new['Webhook-Signature']} {old['Webhook-Signature']}"}
    for secret in (OTHER, SECRET):
        assert verify(secret, both, BODY)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"webhook-id": "msg_other"}, "no signature fits"),
        ({"webhook-timestamp": "1614265331"}, "no signature fits"),
        ({"webhook-timestamp": "now"}, "no number"),
        ({"webhook-timestamp": "-1"}, "no number"),
        ({"webhook-signature": ""}, "no signature fits"),
        ({"webhook-signature": EXAMPLE["webhook-signature"][3:]}, "no signature fits"),
        ({"webhook-signature": "v1,é"}, "no signature fits"),
        ({"webhook-signature": EXAMPLE["webhook-signature"].replace("v1", "v1a")}, "no signature"),
    ],
)
def test_whatever_is_changed_is_noticed(changed: dict[str, str], told: str) -> None:
    with pytest.raises(SignatureError, match=told):
        verify(SECRET, EXAMPLE | changed, BODY, EVER)
    with pytest.raises(SignatureError, match="no signature fits"):
        verify(SECRET, EXAMPLE, BODY + b" ", EVER)
    with pytest.raises(SignatureError, match="no signature fits"):
        verify(OTHER, EXAMPLE, BODY, EVER)


@pytest.mark.parametrize("missing", EXAMPLE)
def test_a_missing_header_is_named(missing: str) -> None:
    headers = {name: value for name, value in EXAMPLE.items() if name != missing}
    with pytest.raises(SignatureError, match=missing):
        verify(SECRET, headers, BODY, EVER)


@pytest.mark.parametrize("late_s", [-310, 310])
def test_an_old_message_is_not_taken_again(late_s: float) -> None:
    old = signed(SECRET, BODY, time.time() - late_s)
    with pytest.raises(SignatureError, match="too long ago"):
        verify(SECRET, old, BODY)
    assert verify(SECRET, old, BODY, tolerance_s=320)


def test_what_the_service_signs_is_genuine() -> None:
    headers = courier.signed("msg_1", BODY.decode(), [OTHER, SECRET])
    for secret in (OTHER, SECRET):
        assert verify(secret, headers, BODY) == {"test": 2432232314}


@pytest.fixture
def receiver() -> Iterator[str]:
    """Where the receiver of the documentation listens, with a secret that is one."""
    (code,) = re.findall(r"```python\n(.+?)```", DOCUMENT.read_text(), re.DOTALL)
    names: dict[str, Any] = {"__name__": "documented"}
    exec(code.replace("whsec_…", SECRET), names)
    with HTTPServer(("127.0.0.1", 0), names["Receiver"]) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def test_the_documented_receiver_takes_what_is_genuine_and_nothing_else(
    receiver: str, capfd: pytest.CaptureFixture[str]
) -> None:
    body = b'{"type": "job.succeeded", "subject": "job_1"}'
    for secret, status in ((SECRET, 204), (OTHER, 401)):
        answer = httpx.post(receiver, content=body, headers=signed(secret, body, time.time()))
        assert answer.status_code == status
    assert capfd.readouterr().out == "job.succeeded job_1\n"
